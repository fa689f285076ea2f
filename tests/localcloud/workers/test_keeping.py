"""What outlives the moment: jobs over a restart, logs, webhooks."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.runpod.workers.logs import KEPT_LINES, LINE_BYTES, WorkerLog


def test_jobs_survive_a_restart(tmp_path, stage):
    async def main():
        clock = ManualClock()
        async with stage(clock) as cloud:
            await cloud.apply()
            done, running, waiting = [await cloud.run(n) for n in range(3)]
            worker = await cloud.actor()
            await worker.take()
            await worker.done(done, {"output": "kept"})
            await worker.take()
            await clock.advance(1)
        await clock.advance(100)
        async with stage(clock) as cloud:
            await cloud.apply()
            assert (await cloud.status(done))["output"] == "kept"
            assert (await cloud.status(running))["status"] == "IN_QUEUE"
            assert cloud.fleet.jobs(cloud.record.id).completed == 1
            worker = await cloud.actor()
            assert [(await worker.take())["id"] for _ in range(2)] == [running, waiting]
            await clock.advance(1800 - 102)
            assert (await cloud.status(done))["status"] == "COMPLETED"
            await clock.advance(1)
            await cloud.call("GET", f"status/{done}", expect=404)
        async with stage(clock) as cloud:
            await cloud.apply()
            await cloud.call("GET", f"status/{done}", expect=404)

    asyncio.run(main())


def test_a_ttl_runs_on_while_the_cloud_is_down(stage):
    async def main():
        clock = ManualClock()
        async with stage(clock) as cloud:
            await cloud.apply(workers_max=0)
            job = await cloud.run(1, policy={"ttl": 60_000})
            await clock.advance(1)
        await clock.advance(58)
        async with stage(clock) as cloud:
            await cloud.apply(workers_max=0)
            assert (await cloud.status(job))["status"] == "IN_QUEUE"
            await clock.advance(1)
            await cloud.call("GET", f"status/{job}", expect=404)

    asyncio.run(main())


def test_a_quick_job_is_written_once_and_not_while_its_client_waits(played):
    async def test(cloud):
        await cloud.apply()
        stored = cloud.store.kv(f"jobs/{cloud.record.id}")
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        await worker.done(job, {"output": 1})
        assert stored.items() == []
        await cloud.clock.advance(1)
        assert [key for key, _ in stored.items()] == [job]
        await cloud.clock.advance(1800)
        assert stored.items() == []

    played(test)


@pytest.mark.parametrize(("answers", "calls"), [([200], 1), ([500, 302, 200], 3), ([500] * 4, 3)])
def test_a_webhook_is_tried_three_times_ten_seconds_apart(played, answers, calls):
    async def test(cloud):
        got, arrived = [], asyncio.Event()

        async def hook(request):
            got.append(await request.json())
            arrived.set()
            return web.Response(status=answers[len(got) - 1], headers={"Location": "/elsewhere"})

        async def elsewhere(request):
            return web.Response()

        app = web.Application()
        app.router.add_post("/hook", hook)
        app.router.add_get("/elsewhere", elsewhere)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        await cloud.apply(idle_timeout_s=3600)
        job = await cloud.run(1, webhook=f"http://127.0.0.1:{port}/hook")
        worker = await cloud.actor()
        await worker.take()
        await worker.done(job, {"error": "boom"})
        for number in range(1, calls + 1):
            await asyncio.wait_for(arrived.wait(), 10)
            arrived.clear()
            assert len(got) == number
            if number < calls:
                due = cloud.clock.now() + 10
                await cloud.until(lambda due=due: any(entry[0] == due for entry in cloud.clock._sleepers))
            await cloud.clock.advance(9.5)
            assert len(got) == number
            await cloud.clock.advance(0.5)
        await cloud.clock.advance(60)
        await cloud.call("GET", "health")
        assert len(got) == calls
        assert got[0] == got[-1]
        assert (got[0]["id"], got[0]["status"], got[0]["error"]) == (job, "FAILED", "boom")
        await runner.cleanup()

    played(test)


def test_logs_of_a_worker_past_and_present(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker = await cloud.actor()
        endpoint, name = cloud.record.id, worker.worker.id

        async def read(**options):
            options = {"tail": 100, "after": None, "follow": False} | options
            return [line async for line in cloud.fleet.logs(endpoint, name, **options)]

        worker.worker.log.feed(b"one\ntwo\nthr", cloud.clock.now())
        lines = await read()
        assert [(line.source, line.line) for line in lines[1:]] == [
            ("container", "one"),
            ("container", "two"),
        ]
        assert lines[0].source == "system"
        assert [line.line for line in await read(tail=1)] == ["two"]
        following = asyncio.ensure_future(read(after=(lines[1].ts, lines[1].seq), follow=True))
        await cloud.call("GET", "health")
        worker.worker.log.feed(b"ee\n", cloud.clock.now())
        await cloud.call("GET", "health")
        assert not following.done()
        worker.worker.exit(3)
        assert [line.line for line in await following] == ["two", "three", "exited with code 3"]
        assert [line.line for line in await read()][-1] == "exited with code 3"
        with pytest.raises(KeyError):
            async for _ in cloud.fleet.logs(endpoint, "nobody", tail=1, after=None, follow=False):
                pass

    played(test)


def test_a_log_is_bounded_in_memory_and_on_disk(tmp_path: Path):
    log = WorkerLog(tmp_path / "logs" / "w.log")
    log.feed(b"x" * (LINE_BYTES + 1), 0.0)
    assert len(log.tail(5)) == 1
    for _ in range(300):
        log.feed((b"y" * 100 + b"\n") * 400, 0.0)
    log.close(0.0)
    assert len(log.tail(10**6)) == KEPT_LINES
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["w.log", "w.log.1"]
    assert sum(path.stat().st_size for path in (tmp_path / "logs").iterdir()) < 17 * 1024 * 1024
