"""The official SDK's client, in a process of its own, pointed here by its own variable."""

import asyncio
import json
import os
import sys

import pytest

pytestmark = pytest.mark.xdist_group("workers")

HANDLER = """
import runpod

def handler(job):
    if job["input"].get("fail"):
        raise RuntimeError("as asked")
    return {"sum": sum(job["input"]["numbers"])}

runpod.serverless.start({"handler": handler})
"""

STREAM = """
import runpod

def handler(job):
    yield from job["input"]["words"]

runpod.serverless.start({"handler": handler})
"""

CLIENT = """
import asyncio, json, sys
import aiohttp, runpod
runpod.api_key = "local-key"
endpoint = runpod.Endpoint(sys.argv[1])
out = {}
out["sync"] = endpoint.run_sync({"input": {"numbers": [1, 2]}})
job = endpoint.run({"numbers": [3, 4]})
out["output"] = job.output(timeout=60)
out["status"] = job.status()
out["failed"] = endpoint.run_sync({"input": {"fail": True, "numbers": []}})
out["health"] = endpoint.health()
out["purged"] = endpoint.purge_queue()
queued = [endpoint.run({"numbers": [n]}) for n in range(3)]
out["cancel"] = queued[-1].cancel()
out["cancelled"] = queued[-1].status()

async def main():
    async with aiohttp.ClientSession() as session:
        remote = runpod.AsyncioEndpoint(sys.argv[1], session)
        job = await remote.run({"numbers": [5, 6]})
        out["async"] = await job.output(timeout=60)
        out["async_health"] = await remote.health()

asyncio.run(main())
try:
    runpod.Endpoint(sys.argv[1], api_key="wrong").health()
except RuntimeError as error:
    out["unauthorized"] = str(error)
print(json.dumps(out))
"""

STREAM_CLIENT = """
import json, sys
import runpod
runpod.api_key = "local-key"
job = runpod.Endpoint(sys.argv[1]).run({"words": ["a", "b", "c"]})
print(json.dumps(list(job.stream())))
"""


async def client(cloud, source: str):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "RUNPOD_ENDPOINT_BASE_URL": f"{cloud.url}/v2",
        "NO_PROXY": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        source,
        cloud.record.id,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def test_the_clients_calls(real):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        out = await client(cloud, CLIENT)
        assert out["sync"] == {"sum": 3}
        assert (out["output"], out["status"]) == ({"sum": 7}, "COMPLETED")
        assert out["failed"] is None
        assert out["health"]["jobs"]["completed"] == 2
        assert out["health"]["jobs"]["failed"] == 1
        assert out["health"]["workers"]["ready"] == 1
        assert out["purged"] == {"removed": 0, "status": "completed"}
        assert out["cancel"]["status"] == out["cancelled"] == "CANCELLED"
        assert out["async"] == {"sum": 11}
        assert out["async_health"]["workers"]["ready"] == 1
        assert "401" in out["unauthorized"]

    real(HANDLER, test)


def test_the_client_streams(real):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        assert await client(cloud, STREAM_CLIENT) == ["a", "b", "c"]

    real(STREAM, test)
