// Judges the job API with RunPod's JavaScript SDK: one JSON line for each check.
import runpodSdk from "runpod-sdk";

const endpoint = runpodSdk(process.env.KEY, { baseUrl: process.env.BASE }).endpoint(process.env.ENDPOINT);
const check = async (name, work) => {
  let told;
  try {
    told = { name, value: await work() };
  } catch (error) {
    told = { name, error: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(told));
};
const until = async (id, wanted) => {
  for (;;) {
    const found = await endpoint.status(id);
    if (wanted.includes(found.status)) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

await check("runSync", async () => (await endpoint.runSync({ input: { word: "grüezi" } }, 60000)).output);
await check("run and status", async () => {
  const { id, status } = await endpoint.run({ input: { word: "later" } });
  return [status, (await until(id, ["COMPLETED"])).output];
});
await check("statusSync", async () => {
  const { id } = await endpoint.run({ input: { word: "waited for" } });
  return (await endpoint.statusSync(id, 30000)).output;
});
await check("stream", async () => {
  const { id } = await endpoint.run({ input: { words: ["a", "b", "c"] } });
  const chunks = [];
  for await (const chunk of endpoint.stream(id)) chunks.push(chunk.output);
  return chunks;
});
await check("failure", async () => {
  const { id } = await endpoint.run({ input: { fail: "no such word" } });
  const { status, error } = await until(id, ["FAILED"]);
  return [status, String(error).includes("no such word")];
});
await check("cancel", async () => {
  const { id } = await endpoint.run({ input: { wait: 60 } });
  await until(id, ["IN_PROGRESS"]);
  await endpoint.cancel(id);
  return (await until(id, ["CANCELLED"])).status;
});
await check("health", async () => Object.keys((await endpoint.health()).workers).sort());
await check("purgeQueue", async () => (await endpoint.purgeQueue()).status);
