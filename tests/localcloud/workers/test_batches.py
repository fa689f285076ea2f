"""Batches through the API: collected, locked, run behind all other jobs, kept over a restart."""

import asyncio

import pytest

from infra.localcloud.core.clock import ManualClock


async def batch(cloud, *inputs, **more):
    body = {"name": "nightly", "requests": [{"input": value} for value in inputs]}
    return await cloud.call("POST", "batch", body, **more)


async def finish(worker, answer):
    job = await worker.take()
    await worker.done(job["id"], answer)
    return job["input"]


def test_a_batch_from_draft_to_results(played):
    async def test(cloud):
        await cloud.apply(workers_max=1, idle_timeout_s=3600)
        made = await batch(cloud, 1, 2)
        at = f"batch/{made['id']}"
        assert (made["status"], made["requestTotal"], made["endpointId"]) == ("DRAFT", 2, cloud.record.id)
        assert made["createdAt"].endswith("Z")
        await cloud.call("POST", f"{at}/requests", {"requests": [{"input": 3}, {"input": 4}]})
        page = await cloud.call("GET", f"{at}/requests?limit=3")
        assert [request["input"] for request in page["requests"]] == [1, 2, 3]
        rest = await cloud.call("GET", f"{at}/requests?cursor={page['nextCursor']}")
        assert ([request["input"] for request in rest["requests"]], rest["nextCursor"]) == ([4], None)
        gone = rest["requests"][0]["id"]
        url = f"{cloud.url}/v2/{cloud.record.id}/{at}/requests/{gone}"
        async with cloud.session.delete(url, headers={"Authorization": "local-key"}) as answer:
            assert answer.status == 204
        assert (await cloud.call("PUT", at, {"name": "daily"}))["name"] == "daily"
        assert cloud.stage.workers == [], "a draft runs nothing"
        locked = await cloud.call("POST", f"{at}/finalize")
        assert (locked["status"], locked["requestQueued"]) == ("FINALIZED", 3)
        await cloud.call("POST", f"{at}/requests", {"requests": [{"input": 5}]}, expect=400)
        worker = await cloud.actor()
        urgent = await cloud.run("now")
        assert await finish(worker, {"output": "first"}) == "now", "batches run behind all others"
        assert (await cloud.status(urgent))["status"] == "COMPLETED"
        assert await finish(worker, {"output": "one"}) == 1
        assert await finish(worker, {"error": "two is bad"}) == 2
        await worker.take()
        told = await cloud.call("GET", at)
        counts = [told[f"request{name}"] for name in ("Total", "Queued", "InProgress", "Completed", "Failed")]
        assert counts == [3, 0, 1, 1, 1]
        one, two, three = (await cloud.call("GET", f"{at}/requests"))["requests"]
        assert (one["status"], one["output"]) == ("COMPLETED", "one")
        assert (two["status"], two["error"]) == ("FAILED", "two is bad")
        assert three["status"] == "IN_PROGRESS"
        assert [entry["id"] for entry in (await cloud.call("GET", "batch"))["batches"]] == [made["id"]]

    played(test)


def test_a_cancelled_batch_lets_finish_what_runs(played):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        made = await batch(cloud, 1, 2)
        at = f"batch/{made['id']}"
        await cloud.call("POST", f"{at}/finalize")
        worker = await cloud.actor()
        job = await worker.take()
        assert (await cloud.call("POST", f"{at}/cancel"))["status"] == "CANCELLED"
        await worker.done(job["id"], {"output": "done"})
        states = [r["status"] for r in (await cloud.call("GET", f"{at}/requests"))["requests"]]
        assert states == ["COMPLETED", "CANCELLED"]
        await cloud.call("POST", f"{at}/cancel", expect=400)
        assert cloud.fleet.jobs(cloud.record.id).in_queue == 0

    played(test)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "batch/none", None, 404),
        ("POST", "batch/none/finalize", None, 404),
        ("POST", "batch", b"{", 400),
        ("POST", "batch", {"requests": [{"no": 1}]}, 400),
        ("POST", "batch", {"requests": 7}, 400),
        ("POST", "batch", {"requests": [{"input": 0}] * 5001}, 400),
    ],
)
def test_what_batches_refuse(played, method, path, body, status):
    async def test(cloud):
        await cloud.apply()
        await cloud.call(method, path, body, expect=status)
        assert (await cloud.call("GET", "batch"))["batches"] == []
        empty = await batch(cloud)
        await cloud.call("POST", f"batch/{empty['id']}/finalize", expect=400)
        for _ in range(9):
            await batch(cloud)
        assert "10 active" in (await batch(cloud, expect=400))["error"]

    played(test)


def test_batches_outlive_the_daemon(stage):
    async def test():
        clock = ManualClock()
        async with stage(clock) as cloud:
            await cloud.apply(workers_max=1)
            made = await batch(cloud, 1, 2)
            await cloud.call("POST", f"batch/{made['id']}/finalize")
            worker = await cloud.actor()
            await finish(worker, {"output": "one"})
            await clock.advance(1)
        async with stage(clock) as cloud:
            await cloud.apply(workers_max=1)
            told = await cloud.call("GET", f"batch/{made['id']}")
            assert (told["requestCompleted"], told["requestQueued"]) == (1, 1)
            assert await finish(await cloud.actor(), {"output": "two"}) == 2
            page = await cloud.call("GET", f"batch/{made['id']}/requests")
            assert [request["output"] for request in page["requests"]] == ["one", "two"]

    asyncio.run(test())
