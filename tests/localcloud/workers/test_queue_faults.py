"""Faults of the real cloud, one test each, where no other file has them."""

import asyncio
import json
import signal
import sys
from dataclasses import replace

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.daemon.assembly import _scale_down
from infra.localcloud.runpod.rest import RestService
from infra.localcloud.runpod.rest.views import endpoint_view
from tests.localcloud.rest.fakes import KEY, FakeImages


def test_a_worker_that_never_asks_for_a_job_is_given_up_after_seven_minutes(played):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        job = await cloud.run(1)
        (worker,) = await cloud.stage.started(1)
        await cloud.clock.advance(419)
        assert (cloud.statuses(), worker.signals) == (["INITIALIZING"], [])
        await cloud.clock.advance(1)
        assert worker.signals == ["KILL"]
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        assert "never asked for a job within 420 s of its start" in cloud.views()[-1].reason
        assert (await cloud.status(job))["status"] == "IN_QUEUE"

    played(test)


def test_a_worker_killed_with_9_holding_a_job_twice_fails_that_job_and_loses_no_other(played):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        unlucky, other = await cloud.run("unlucky"), await cloud.run("other")
        for number in (1, 2):
            worker = await cloud.actor(number)
            assert (await worker.take())["id"] == unlucky
            worker.worker.exit(-signal.SIGKILL)
            await cloud.clock.advance(1)
        end = await cloud.status(unlucky)
        assert end["status"] == "FAILED"
        assert end["error"] == "the worker was killed by signal 9 while it ran this job, twice"
        assert (await cloud.call("GET", "health"))["jobs"]["retried"] == 1
        worker = await cloud.actor(3)
        assert (await worker.take())["id"] == other

    played(test)


def test_a_workers_token_opens_no_other_endpoint_and_no_job_api(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        one = await cloud.actor(1)
        token = one.worker.env["RUNPOD_AI_API_KEY"]
        other = replace(cloud.record, id="other000000000")
        await cloud.fleet.apply(other)
        two = await cloud.actor(2)
        base, headers = f"{cloud.url}/v2/{other.id}", {"Authorization": f"Bearer {token}"}
        for path in (
            f"job-take/{two.worker.id}?gpu=x",
            f"job-take/{one.worker.id}?gpu=x",
            "health",
            "status/any",
        ):
            async with cloud.session.get(f"{base}/{path}", headers=headers) as answer:
                assert answer.status == 401, path
        async with cloud.session.post(f"{base}/run", json={"input": 1}, headers=headers) as answer:
            assert answer.status == 401
        assert (await cloud.call("GET", "health", key=two.worker.env["RUNPOD_AI_API_KEY"], expect=401))[
            "error"
        ]

    played(test)


KILLED = """
import asyncio, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.localcloud.workers import conftest as fleets

async def main():
    image = fleets.OneImage(fleets.handler_image(Path({folder!r}), ""))
    async with fleets.serve_fleet(Path({folder!r}), fleets.RealClock(), image, launcher="stage") as cloud:
        await cloud.apply(workers_max=0)
        jobs = [await cloud.run(n) for n in range(5)]
        await asyncio.sleep(0.5)  # longer than the journal takes
        print(" ".join(jobs), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_daemon_killed_with_9_has_its_jobs_when_it_is_back(tmp_path, stage, request):
    async def main():
        source = KILLED.format(root=str(request.config.rootpath), folder=str(tmp_path / "killed"))
        (tmp_path / "killed").mkdir()
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE
        )
        jobs = (await asyncio.wait_for(daemon.stdout.readline(), 60)).decode().split()
        daemon.kill()
        await daemon.wait()
        assert len(jobs) == 5
        (tmp_path / "killed" / "state.db").rename(tmp_path / "state.db")
        for rest in (tmp_path / "killed").glob("state.db-*"):
            rest.rename(tmp_path / rest.name)
        async with stage(ManualClock(0.0)) as cloud:
            await cloud.apply(workers_max=1)
            worker = await cloud.actor()
            assert [(await worker.take())["id"] for _ in jobs] == jobs

    asyncio.run(main())


def test_a_scale_down_shows_in_the_control_plane_and_a_patch_lifts_it(played):
    async def test(cloud):
        service = RestService(
            cloud.store, cloud.fleet, cloud.clock, cloud.settings, KEY, cloud.url, FakeImages()
        )
        cloud.fleet._idling._lower = lambda endpoint_id, most: _scale_down(service, endpoint_id, most)
        made = await service.create(
            {
                "name": "idle",
                "type": "QUEUE",
                "image": "registry.pilotlight.internal/x@sha256:" + "0" * 64,
                "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
                "gpu": {"pools": ["AMPERE_24"]},
                "workers": {"min": 0, "max": 5},
            }
        )

        def shown():
            return endpoint_view(service.endpoint(made["id"]), cloud.url)["workers"]["max"]

        await cloud.clock.advance(3 * 24 * 3600)
        assert shown() == 2
        await cloud.clock.advance(4 * 24 * 3600)
        assert shown() == 0
        assert len(service.store.releases(made["id"])) == 1, "no release: nothing of the container changed"
        await service.update(made["id"], {"workers": {"max": 3}})
        await cloud.clock.advance(2 * 24 * 3600)
        assert json.dumps(shown()) == "3"

    played(test)


def test_what_is_not_quite_json_or_http_is_refused_politely(played):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        deep = b'{"input": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        for body in (deep, b'{"input": NaN}', b'{"input": Infinity}', b'{"input": "\xff"}', b"\xff"):
            for path in ("run", "runsync?wait=1000", "batch", "openai/v1/x"):
                await cloud.call("POST", path, body, expect=400)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(cloud.url.rpartition(":")[2]))
        writer.write(f"GET /v2/{cloud.record.id}/health HTTP/1.1\r\nHost: x\r\n".encode())
        writer.write(b"Authorization: \xff\xfe\r\nConnection: close\r\n\r\n")
        assert b" 401 " in await reader.readline()
        writer.close()
        job = await cloud.run("\ud800", webhook="http://127.0.0.1:99999/")
        worker = await cloud.actor()
        assert (await worker.take())["input"] == "\ud800"
        await worker.done(job, {"output": "\ud800"})
        assert (await cloud.status(job))["output"] == "\ud800"
        assert cloud.fleet.jobs(cloud.record.id).in_queue == 0

    played(test)
