"""What a load balancer waits for and how long, on a clock that the test moves."""

import asyncio
import json

import pytest
from aiohttp import web

from infra.localcloud.runpod.balancer.affinity import Affinity, Pin, parse


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", Affinity(Pin.NONE)),
        ("abc", Affinity(Pin.SOFT, "abc")),
        ("strict abc", Affinity(Pin.STRICT, "abc")),
        ("Strict  abc", Affinity(Pin.STRICT, "abc")),
        ("strict-resume abc", Affinity(Pin.RESUME, "abc")),
        ("strict", Affinity(Pin.SOFT, "strict")),
    ],
)
def test_the_affinity_header(header, wanted):
    assert parse(header) == wanted


def waiting(caller):
    return caller.cloud.fleet._balanced[caller.cloud.record.id]._waiting


def test_without_a_worker_a_request_waits_two_minutes_and_says_why(balanced):
    async def test(caller):
        asked = asyncio.ensure_future(caller.call("GET", "/echo/", expect=400))
        await caller.cloud.stage.started(1)
        await caller.cloud.clock.advance(119)
        assert not asked.done()
        await caller.cloud.clock.advance(1)
        assert "no workers available" in json.loads((await asked)[0])["error"]
        assert not waiting(caller)

    balanced(test, manual=True)


def test_a_worker_that_never_gets_healthy_is_unhealthy_after_seven_minutes(balanced):
    async def test(caller):
        asked = asyncio.ensure_future(caller.call("GET", "/echo/", expect=400))
        (worker,) = await caller.cloud.stage.started(1)
        assert {"PORT", "PORT_HEALTH"} <= set(worker.env)
        assert "RUNPOD_WEBHOOK_GET_JOB" not in worker.env
        await caller.cloud.clock.advance(120)
        await asked
        held = caller.worker(worker.id)
        await caller.cloud.until(lambda: held.reason)
        await caller.cloud.clock.advance(299)
        assert not worker.exited.done()
        await caller.cloud.clock.advance(1)
        assert worker.signals == ["KILL"]
        await caller.cloud.until(lambda: "UNHEALTHY" in caller.cloud.statuses())
        assert "nothing listens on its PORT" in caller.cloud.views()[0].reason
        assert "within 420 s" in caller.cloud.views()[0].reason

    balanced(test, manual=True, workers_max=1)


def test_processing_is_cut_off_after_five_and_a_half_minutes(balanced):
    async def test(caller):
        arrived, over = asyncio.Event(), asyncio.Event()

        async def ping(request):
            return web.Response()

        async def hang(request):
            arrived.set()
            await over.wait()
            return web.Response()

        asked = asyncio.ensure_future(caller.call("GET", "/hang", expect=524))
        (worker,) = await caller.cloud.stage.started(1)
        app = web.Application()
        app.add_routes([web.get("/ping", ping), web.get("/{rest}", hang)])
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(worker.env["PORT"])).start()
        while not arrived.is_set():
            await caller.cloud.clock.advance(0.5)
            await asyncio.sleep(0.005)
        await caller.cloud.clock.advance(330)
        body, headers = await asked
        assert "330 s" in json.loads(body)["error"]
        assert headers["X-Runpod-Worker-Id"] == worker.id
        over.set()
        await runner.cleanup()

    balanced(test, manual=True)
