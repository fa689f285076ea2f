"""The data plane of the local RunPod: throughput, what the daemon adds, FlashBoot, a burst from zero, memory.

    .venv/bin/python benchmarks/runpod_jobs.py [--only jobs,flashboot,burst,memory]

The data plane runs in a process of its own, official workers in others, the client here. Wanted: >= 250 jobs/s through
one concurrent worker; p50 added by the daemon <= 5 ms at 32 clients that pause between calls (less the time in the
worker's process and before it asked; beside it a bare aiohttp handler under the same clients, the least that any such daemon adds); cold start with FlashBoot <= 0.4 s; from 0 to 20 workers within 5 s of process
time; 100 endpoints with 50 live workers < 6 GB, the daemon alone < 200 MB.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import EndpointRecord, ScalerType
from infra.localcloud.runpod.workers import LocalFleet

_spec = importlib.util.spec_from_file_location(
    "runsync_overhead", Path(__file__).with_name("runsync_overhead.py")
)
assert _spec is not None
assert _spec.loader is not None
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

CLIENTS, CALLS, BURST = 32, 40, 20
PAUSE_S = 0.4  # of a client between two calls, where what the daemon adds is measured: nobody queues for the processor
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
BENCH = EndpointRecord(
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
FLASH = replace(BENCH, id="flash000000000", flashboot="FLASHBOOT", workers_min=0, idle_timeout_s=1)
WIDE = replace(
    FLASH,
    id="burst000000000",
    scaler=ScalerType.REQUEST_COUNT,
    scaler_value=1.0,
    workers_max=BURST,
    idle_timeout_s=60,
)
ECHO = """
import asyncio
import runpod

async def handler(job):
    await asyncio.sleep(job["input"].get("hold", 0) if isinstance(job["input"], dict) else 0)
    return job["input"]

runpod.serverless.start({"handler": handler})
"""


class Images(plain.Here):  # type: ignore[misc, name-defined]
    """Two images: the stamping handler of runsync_overhead for BENCH, an echo for the others."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        echo = directory / "echo" / "app"
        echo.mkdir(parents=True)
        (echo / "rp_handler.py").write_text(ECHO)
        self._echo = replace(self._image, digest="echo", root=echo.parent, cwd=echo)

    async def resolve(self, image_ref: str) -> Any:
        return self._image if image_ref == "bench" else self._echo


async def serve() -> None:
    """The daemon's side: says its address; each line it reads is JSON of endpoints to apply, or [] to wait for warm
    processes, and is answered with a line."""
    with tempfile.TemporaryDirectory(prefix="pilotlight-jobs-") as folder:
        directory = Path(folder)
        server = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        store = Store(directory / "state.sqlite")
        fleet = LocalFleet(
            RealClock(),
            Images(directory),
            plain.Unmetered(),
            store,
            url,
            Settings(rate_limit=False),
            directory / "fleet",
            "key",
        )
        app = web.Application(client_max_size=1 << 25)
        app.add_routes([*fleet.routes(), web.post("/bare", plain.bare)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, server).start()
        print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)
        try:
            while line := await asyncio.to_thread(sys.stdin.readline):
                for changes in json.loads(line):
                    base = {"bench": BENCH, "flash": FLASH, "burst": WIDE}[changes.pop("base")]
                    await fleet.apply(replace(base, **changes))
                await asyncio.sleep(0.1)
                if fleet._flashboot is not None:
                    for zygote in list(fleet._flashboot._zygotes.values()):
                        await zygote.warmed()
                print("ok", flush=True)
        finally:
            await fleet.close()
            await runner.cleanup()
            store.close()


class Daemon:
    def __init__(self, process: asyncio.subprocess.Process, told: dict[str, Any]) -> None:
        self.process, self.url, self.pid = process, told["url"], told["pid"]

    async def apply(self, *endpoints: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(endpoints).encode() + b"\n")
        await self.process.stdout.readline()


async def main(wanted: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    daemon = Daemon(process, json.loads(await process.stdout.readline()))
    verdicts: list[bool] = []
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers={"Authorization": "key"}, connector=connector) as session:
            for name in wanted:
                verdicts += await PHASES[name](daemon, session)
    finally:
        process.stdin.close()
        await process.wait()
    return 0 if all(verdicts) else 1


async def jobs(daemon: Daemon, session: aiohttp.ClientSession) -> list[bool]:
    await daemon.apply({"base": "bench"})
    url = f"{daemon.url}/v2/{BENCH.id}/runsync"
    await plain.call(session, url)

    async def client(target: str, made: dict[str, tuple[float, float]], pause_s: float) -> None:
        await asyncio.sleep(random.random() * pause_s)
        for _ in range(CALLS if not pause_s else CALLS // 2):
            began = time.monotonic()
            _, answer = await plain.call(session, target)
            made[answer.get("id", str(len(made)))] = began, time.monotonic()
            await asyncio.sleep(pause_s)

    async def round_of(name: str, target: str, pause_s: float = 0.0) -> tuple[list[float], float]:
        made: dict[str, tuple[float, float]] = {}
        before, start = own_cpu_s(daemon.pid), time.monotonic()
        await asyncio.gather(*(client(target, made, pause_s) for _ in range(CLIENTS)))
        rate = len(made) / (time.monotonic() - start)
        used = (own_cpu_s(daemon.pid) - before) / len(made) * 1000
        values = [(ended - began) * 1000 for began, ended in made.values()]
        if target == url:
            values = await plain.less_the_worker(session, target, made)
        plain.show(name, values)
        print(f"{'':22} {rate:.0f} calls/s, {used:.2f} ms of the daemon's processor time each")
        return values, rate

    await round_of("bare, flat out", f"{daemon.url}/bare")
    _, rate = await round_of("runsync, flat out", url)
    await round_of("bare, with pauses", f"{daemon.url}/bare", PAUSE_S)
    added, _ = await round_of("runsync, with pauses", url, PAUSE_S)
    return [
        verdict("jobs/s through one worker", rate, 250, at_least=True),
        verdict(f"ms added at {CLIENTS} clients, p50", statistics.median(added), 5.0),
    ]


async def flashboot(daemon: Daemon, session: aiohttp.ClientSession) -> list[bool]:
    await daemon.apply({"base": "flash", "image": "echo"})
    url = f"{daemon.url}/v2/{FLASH.id}"
    colds = []
    for _ in range(5):
        colds.append((await plain.call(session, f"{url}/runsync"))[0] / 1000)
        await until(session, url, lambda workers: not workers["ready"])
    print("cold starts with FlashBoot:", ", ".join(f"{cold:.3f}" for cold in colds), "s")
    return [verdict("s cold start with FlashBoot, median", statistics.median(colds), 0.4)]


async def burst(daemon: Daemon, session: aiohttp.ClientSession) -> list[bool]:
    await daemon.apply({"base": "burst", "image": "echo"})
    url = f"{daemon.url}/v2/{WIDE.id}"
    before, began = cpu_s(daemon.pid), time.monotonic()

    async def one() -> None:
        async with session.post(f"{url}/run", json={"input": {"hold": 8}}) as answer:
            assert answer.status == 200

    await asyncio.gather(*(one() for _ in range(BURST)))
    await until(session, url, lambda workers: workers["running"] >= BURST)
    wall, used = time.monotonic() - began, cpu_s(daemon.pid) - before
    print(f"0 to {BURST} workers in {wall:.2f} s, {used:.2f} s of process time in all")
    return [verdict(f"s of process time from 0 to {BURST} workers", used, 5.0)]


async def memory(daemon: Daemon, session: aiohttp.ClientSession) -> list[bool]:
    alone = pss_kb(daemon.pid)
    await daemon.apply(
        *(
            {
                "base": "flash",
                "image": "echo",
                "id": f"many{n:010}",
                "workers_min": int(n < 50),
                "idle_timeout_s": 600,
            }
            for n in range(100)
        )
    )
    for n in range(50):
        await until(session, f"{daemon.url}/v2/many{n:010}", lambda workers: workers["ready"] > 0)
    whole = sum(pss_kb(pid) for pid in tree(daemon.pid))
    later = pss_kb(daemon.pid)
    print(f"daemon alone {alone / 1024:.0f} MB, with 100 endpoints {later / 1024:.0f} MB")
    return [
        verdict("MB of the daemon", max(alone, later) / 1024, 200),
        verdict("GB with 100 endpoints and 50 live workers", whole / 1024 / 1024, 6),
    ]


async def until(
    session: aiohttp.ClientSession, url: str, condition: Callable[[dict[str, int]], bool]
) -> None:
    """Until the endpoint's workers are so."""
    for _ in range(1200):
        async with session.get(f"{url}/health") as answer:
            if condition((await answer.json())["workers"]):
                return
        await asyncio.sleep(0.05)
    raise SystemExit(f"{url} did not get there within a minute")


def tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def cpu_s(root: int) -> float:
    """User and system time of a tree, its dead children included."""
    total = 0.0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(value) for value in fields[11:15]) * TICK_S
        except OSError:
            continue
    return total


def own_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def pss_kb(pid: int) -> int:
    """Shared pages are counted once, in shares."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    except OSError:
        return 0


def verdict(what: str, value: float, limit: float, at_least: bool = False) -> bool:
    within = value >= limit if at_least else value <= limit
    print(f"{'within' if within else 'MISSED'}: {value:.2f} {what} {'>=' if at_least else '<='} {limit:g}")
    return within


PHASES = {"jobs": jobs, "flashboot": flashboot, "burst": burst, "memory": memory}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PHASES), help="phases, separated by commas")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.exit(asyncio.run(serve() if options.serve else main(options.only.split(","))))
