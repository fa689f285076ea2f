// Drives a local Modal, to which the app of ../shop.py is deployed, with the official JavaScript SDK. One line of JSON
// for each check, as ../judge.py.

import assert from "node:assert/strict";
import {
  ModalClient,
  NotFoundError,
  QueueEmptyError,
  RemoteError,
  TimeoutError,
} from "modal";

const modal = new ModalClient();
const named = (name) => modal.functions.fromName("shop", name);

const checks = {
  async call() {
    assert.equal(await (await named("double")).remote([21]), 42);
  },
  async call_by_keyword() {
    assert.equal(await (await named("double")).remote([], { x: 4 }), 8);
  },
  async many_at_once() {
    const double = await named("double");
    const answers = await Promise.all([...Array(20).keys()].map((x) => double.remote([x])));
    assert.deepEqual(answers, [...Array(20).keys()].map((x) => 2 * x));
  },
  async large_arguments() {
    const text = "x".repeat(3_000_000);
    assert.equal((await (await named("double")).remote([text])).length, 6_000_000);
  },
  async errors_of_the_handler() {
    await assert.rejects((await named("fail")).remote(["luck"]), (error) => {
      assert.ok(error instanceof RemoteError, String(error));
      assert.match(error.message, /no luck/);
      return true;
    });
  },
  async spawn() {
    const call = await (await named("double")).spawn([4]);
    const again = await modal.functionCalls.fromId(call.functionCallId);
    assert.equal(await again.get({ timeoutMs: 40_000 }), 8);
  },
  async wait_no_longer_than_asked() {
    const call = await (await named("sleep")).spawn([600]);
    await assert.rejects(call.get({ timeoutMs: 50 }), TimeoutError);
    await call.cancel({ terminateContainers: true });
    await assert.rejects(call.get({ timeoutMs: 40_000 }), RemoteError);
  },
  // This SDK leaves the retries of a function to the cloud, and does those of lost containers itself.
  async retries() {
    assert.equal(await (await (await named("flaky")).spawn(["from JavaScript"])).get({ timeoutMs: 40_000 }), 2);
  },
  async a_lost_container_is_replaced() {
    assert.equal(await (await named("crash")).remote(["lost by JavaScript"]), 2);
  },
  async classes_with_parameters() {
    const greeter = await modal.cls.fromName("shop", "Greeter");
    const hi = await greeter.instance({ greeting: "hi" });
    assert.equal(await hi.method("greet").remote(["Ann"]), "hi Ann, number 1");
    assert.equal(await hi.method("greet").remote(["Ben"]), "hi Ben, number 2");
    const plain = await greeter.instance();
    assert.equal(await plain.method("greet").remote(["Cy"]), "hello Cy, number 1");
  },
  async options() {
    const greeter = (await modal.cls.fromName("shop", "Greeter")).withOptions({ timeoutMs: 60_000, maxContainers: 1 });
    assert.equal(await (await greeter.instance()).method("greet").remote(["Di"]), "hello Di, number 1");
  },
  async batching() {
    const batch = await named("batch");
    const answers = await Promise.all([1, 2, 3].map((x) => batch.remote([x])));
    assert.deepEqual(answers.map(([x]) => x), [1, 2, 3]);
    assert.ok(Math.max(...answers.map(([, size]) => size)) > 1);
  },
  async web_endpoints() {
    const answer = await fetch(await (await named("web")).getWebUrl(), { method: "POST", body: "bread" });
    assert.equal(answer.status, 201);
    assert.equal(await answer.text(), "POST bread");
  },
  async figures_and_autoscaler() {
    const double = await named("double");
    await double.updateAutoscaler({ maxContainers: 3 });
    const now = await double.getCurrentStats();
    assert.equal(now.backlog, 0);
    const stats = await double.stats();
    assert.ok(stats.inputSuccessCount >= 21, JSON.stringify(stats));
  },
  async volumes() {
    await modal.volumes.fromName("js-files", { createIfMissing: true });
    await modal.volumes.delete("js-files");
    await assert.rejects(modal.volumes.fromName("js-files"), NotFoundError);
    const passing = await modal.volumes.ephemeral();
    assert.match(passing.volumeId, /^vo-/);
    passing.closeEphemeral();
  },
  async secrets() {
    await modal.secrets.fromName("shop-keys", { requiredKeys: ["SHOP_KEY"] });
    await assert.rejects(modal.secrets.fromName("shop-keys", { requiredKeys: ["OTHER"] }), /OTHER/);
    await assert.rejects(modal.secrets.fromName("no-keys"), NotFoundError);
  },
  async queues() {
    const line = await modal.queues.fromName("js-line", { createIfMissing: true });
    await line.putMany([1, 2, 3]);
    await line.put("apart", { partition: "p" });
    assert.deepEqual([await line.len(), await line.len({ total: true })], [3, 4]);
    assert.deepEqual(await line.getMany(2), [1, 2]);
    assert.equal(await line.get({ partition: "p" }), "apart");
    assert.equal(await line.get(), 3);
    await assert.rejects(line.get({ timeoutMs: 50 }), QueueEmptyError);
    await modal.queues.delete("js-line");
  },
  async environments() {
    await modal.environments.objects.create("js-stage");
    const names = [];
    for await (const each of modal.environments.objects.list()) names.push(each.name);
    assert.deepEqual(names.sort(), ["js-stage", "main"]);
    await assert.rejects(modal.functions.fromName("shop", "double", { environment: "js-stage" }), NotFoundError);
    await modal.environments.objects.delete("js-stage");
  },
  async apps() {
    const shop = await modal.apps.fromName("shop");
    const info = await shop.info();
    assert.equal(info.lifecycle.state, "deployed");
    assert.ok("double" in info.functions, JSON.stringify(info.functions));
    await assert.rejects(modal.apps.fromName("no-shop"), NotFoundError);
  },
  async logs() {
    const lines = [];
    for await (const entry of (await named("double")).logs.tail({ n: 50 })) lines.push(JSON.stringify(entry));
    assert.ok(lines.some((line) => line.includes("doubling 21")), lines.join("\n"));
  },
  async what_is_not_there() {
    await assert.rejects(named("nothing"), NotFoundError);
    await assert.rejects(modal.cls.fromName("no-shop", "Greeter"), NotFoundError);
  },
};

for (const [check, work] of Object.entries(checks)) {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 10) / 100;
  try {
    await work();
    console.log(JSON.stringify({ check, ok: true, seconds: seconds() }));
  } catch (error) {
    console.log(JSON.stringify({ check, ok: false, error: String(error?.stack ?? error), seconds: seconds() }));
  }
}
modal.close();
