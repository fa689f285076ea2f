"""What the daemon adds to a warm `runsync`: the client's time less the time in the worker.

    .venv/bin/python benchmarks/runsync_overhead.py [--calls 300]

The data plane runs in a process of its own, the official worker (concurrent handler) in another, the client here. The
worker stamps when a job's bytes have come into its process and when its result's bytes go out, on the clock that all
processes share, so that what its SDK and HTTP library take is the worker's time; what is left of a call is the way
through the daemon, twice, with the client's own HTTP. Beside it in the same run: the same client
against a bare aiohttp handler, the least that any daemon of this kind can add. Wanted: p50 <= 5 ms.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import EndpointRecord, ScalerType, Usage
from infra.localcloud.runpod.workers import LocalFleet
from infra.localcloud.runpod.workers.images import UnpackedImage
from infra.localcloud.runpod.workers.interpreter import bare_python

LIMIT_MS = 5.0
# The SDK counts a queued job twice, so a worker stalls for a second once half of its slots are taken: hence 128.
HANDLER = """
import re
import time
from asyncio.selector_events import _SelectorSocketTransport as Transport

import runpod
from aiohttp.client_proto import ResponseHandler
from runpod.serverless.modules import rp_scale

asked, came, taken, left = 0.0, 0.0, {}, {}
fetch, received, write = rp_scale.get_job, ResponseHandler.data_received, Transport.write

def data_received(self, data):
    global came
    if b'"input"' in data:
        came = time.monotonic()
    received(self, data)

async def get_job(session, count=1):
    jobs = await fetch(session, count)
    taken.update((job["id"], (asked, came)) for job in jobs or ())
    return jobs

def stamped_write(self, data):
    global asked
    head = bytes(data[:300])
    if b"/job-take" in head:
        asked = time.monotonic()
    elif done := re.match(rb"POST \\S*/job-done/[^/]+/([^/?]+)", head):
        left[done[1].decode()] = time.monotonic()
    write(self, data)

rp_scale.get_job, ResponseHandler.data_received, Transport.write = get_job, data_received, stamped_write

async def handler(job):
    return {id: [*taken[id], left[id]] for id in left} if job["input"] == "stamps" else {}

runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda current: 128})
"""


class Unmetered:
    def record(self, usage: Usage) -> None:
        pass


class Here:
    """One image: the handler above, with this environment's packages."""

    def __init__(self, directory: Path) -> None:
        app = directory / "image" / "app"
        app.mkdir(parents=True)
        (app / "rp_handler.py").write_text(HANDLER)
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        self._image = UnpackedImage(
            digest="",
            root=app.parent,
            python=bare_python(directory / "python"),
            entrypoint=("python3", "-u", "/app/rp_handler.py"),
            command=(),
            cwd=app,
            env={"PYTHONPATH": packages},
        )

    async def resolve(self, image_ref: str) -> UnpackedImage:
        return self._image


async def serve() -> None:
    """The daemon's side; says its port, ends with its standard input."""
    with tempfile.TemporaryDirectory(prefix="pilotlight-runsync-") as folder:
        directory = Path(folder)
        app = web.Application()
        runner = web.AppRunner(app, access_log=None)
        server = await asyncio.get_running_loop().create_server(lambda: runner.server(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = Store(directory / "state.sqlite")
        settings = Settings(rate_limit=False)
        fleet = LocalFleet(
            RealClock(), Here(directory), Unmetered(), store, url, settings, directory / "fleet", "key"
        )
        app.add_routes([*fleet.routes(), web.post("/bare", bare)])
        await runner.setup()
        await fleet.apply(
            EndpointRecord(
                id="bench000000000",
                name="bench",
                type="QUEUE",
                version=1,
                image="bench",
                args="",
                env={},
                scaler=ScalerType.QUEUE_DELAY,
                scaler_value=4.0,
                workers_min=1,
                workers_max=1,
                idle_timeout_s=60,
                timeout_ms=0,
                flashboot="OFF",
            )
        )
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()
        await fleet.close()
        await runner.cleanup()
        store.close()


async def bare(request: web.Request) -> web.Response:
    return web.json_response(json.loads(await request.read()))


async def main(calls: int) -> int:
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    assert daemon.stdin is not None
    url = (await daemon.stdout.readline()).decode().strip()
    try:
        async with aiohttp.ClientSession(headers={"Authorization": "key"}) as session:
            target = f"{url}/v2/bench000000000/runsync"
            await call(session, target)
            made: dict[str, tuple[float, float]] = {}
            floor = []
            for _ in range(calls):
                began = time.monotonic()
                _, answer = await call(session, target)
                made[answer["id"]] = began, time.monotonic()
                floor.append((await call(session, f"{url}/bare"))[0])
            added = await less_the_worker(session, target, made)
    finally:
        daemon.stdin.close()
        await daemon.wait()
    show("bare aiohttp handler", floor)
    show("runsync, whole call", [(end - begin) * 1000 for begin, end in made.values()])
    show("added by the daemon", added)
    p50 = statistics.median(added)
    print(f"{'within' if p50 <= LIMIT_MS else 'MISSED'}: p50 {p50:.2f} ms <= {LIMIT_MS:g} ms")
    return 0 if p50 <= LIMIT_MS else 1


async def call(session: aiohttp.ClientSession, url: str, given: Any = "word") -> tuple[float, dict[str, Any]]:
    """Milliseconds of a call, and its answer."""
    started = time.monotonic()
    async with session.post(url, json={"input": given}) as response:
        answer = await response.json()
    return (time.monotonic() - started) * 1000, answer


async def less_the_worker(
    session: aiohttp.ClientSession, url: str, calls: dict[str, tuple[float, float]]
) -> list[float]:
    """Milliseconds of each call (begin and end by job id) that no worker had it, or was yet to ask for it."""
    _, answer = await call(session, url, "stamps")
    stamps: dict[str, tuple[float, float, float]] = answer["output"]
    return [
        (came - max(began, asked) + ended - left) * 1000
        for began, ended, (asked, came, left) in ((*calls[id], stamps[id]) for id in calls)
    ]


def show(name: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    p50, p90, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.9, 0.99))
    print(f"{name:22} p50 {p50:7.2f}  p90 {p90:7.2f}  p99 {p99:7.2f} ms  ({len(ordered)} calls)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.exit(asyncio.run(serve() if options.serve else main(options.calls)))
