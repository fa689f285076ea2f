"""The plan against the local RunPod's own queue, scaler and meter: the same requests, workers played in process, time
injected. Only what a worker does is synthetic: it needs its boot, and each job its seconds."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import EndpointRecord, ScalerType
from infra.localcloud.runpod.workers import LocalFleet
from infra.localcloud.runpod.workers.endpoint import Endpoint
from infra.localcloud.runpod.workers.images import UnpackedImage
from infra.localcloud.runpod.workers.logs import WorkerLog
from infra.planning.run import Boot, Outcome, Policy
from infra.planning.simulate import simulate

BOOT_S = 12.0
RECORD = EndpointRecord(
    id="plan0123456789",
    name="plan",
    type="QUEUE",
    version=1,
    image="registry.pilotlight.internal/plan@sha256:" + "0" * 64,
    args="",
    env={},
    scaler=ScalerType.QUEUE_DELAY,
    scaler_value=4.0,
    workers_min=0,
    workers_max=3,
    idle_timeout_s=60,
    timeout_ms=3_600_000,
    flashboot="OFF",
    gpu_pools=("AMPERE_24",),
    gpu_count=1,
)


@dataclass
class Process:
    """What the launcher gives for a worker: it ends at once when it is told to."""

    pid: int = 0
    exited: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def terminate(self) -> None:
        if not self.exited.done():
            self.exited.set_result(0)

    kill = terminate


class Played:
    """A launcher: each worker boots, then takes a job after another and needs for each the seconds that it asks for."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoint: Endpoint | None = None
        self.waits: dict[int, float] = {}
        self.boots = self.cold = 0

    def launch(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: WorkerLog) -> Process:
        process = Process()
        self.boots += 1
        task = asyncio.ensure_future(self._live(env["RUNPOD_POD_ID"], process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return process

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _live(self, worker_id: str, process: Process) -> None:
        await self._clock.sleep(BOOT_S)
        assert self.endpoint is not None
        fresh = True
        while not process.exited.done():
            worker = self.endpoint.crew.workers.get(worker_id)
            if worker is None:
                return
            for job in await self.endpoint.take(worker, 1):
                wait = self._clock.now() - job.queued_at
                self.waits[job.input["number"]] = wait
                self.cold += fresh and wait > 0.001
                fresh = False
                await self._clock.sleep(job.input["seconds"])
                self.endpoint.done(worker, job.id, {"output": 1})


class OneImage:
    def __init__(self, folder: Path) -> None:
        self._image = UnpackedImage(
            digest="sha256:" + "0" * 64,
            root=folder,
            python=Path("/usr/bin/python3"),
            entrypoint=("python3", "/app/rp_handler.py"),
            command=(),
            cwd=folder,
            env={},
        )

    async def resolve(self, image_ref: str) -> UnpackedImage:
        return self._image


def requests(count: int, seed: int) -> tuple[list[float], list[float]]:
    """Bursts among silences, in whole milliseconds as the clock of the cloud has them."""
    source, now, arrivals = Random(seed), 0.0, []
    for _ in range(count):
        now += source.expovariate(0.2) if source.random() < 0.6 else source.expovariate(0.006)
        arrivals.append(round(now, 3))
    return arrivals, [round(source.expovariate(0.1), 3) + 0.5 for _ in arrivals]


async def replay(
    folder: Path, record: EndpointRecord, arrivals: list[float], services: list[float], until: float
) -> tuple[int, Played]:
    """Billed seconds of the local cloud's meter at `until`, and what its workers saw."""
    clock = ManualClock()
    store = Store(folder / "store.db")
    meter = SqlMeter(store, clock, lambda *_: Decimal(1))
    played = Played(clock)
    fleet = LocalFleet(
        clock,
        OneImage(folder),
        meter,
        store,
        "http://127.0.0.1:1",
        Settings(),
        folder,
        "key",
        launcher=played,
    )
    await fleet.apply(record)
    played.endpoint = endpoint = fleet._endpoints[record.id]
    begin = clock.now()
    for number, (at, seconds) in enumerate(zip(arrivals, services, strict=True)):
        await clock.advance(begin + at - clock.now())
        endpoint.submit({"number": number, "seconds": seconds}, sync=False)
    await clock.advance(begin + until - clock.now())
    seconds = meter.spend()[record.id].seconds
    await fleet.close()
    played.close()
    return seconds, played


def p95(waits: Sequence[float]) -> float:
    return Outcome(0, 0, 0, 0, list(waits), 0).wait(0.95)[0]


CASES: dict[str, tuple[dict[str, Any], Policy]] = {
    "queue delay": ({}, Policy(0, 3, 60.0, rule="queue_delay", value=4.0)),
    "request count": (
        {"scaler": ScalerType.REQUEST_COUNT, "scaler_value": 2.0, "idle_timeout_s": 0},
        Policy(0, 3, 5.0, value=2.0),
    ),
    "one always on": (
        {"workers_min": 1, "idle_timeout_s": 20},
        Policy(1, 3, 20.0, rule="queue_delay", value=4.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("count", "seed"), [(250, 3), pytest.param(3_000, 4, marks=pytest.mark.campaign)])
def test_cost_cold_starts_and_waits_are_those_of_the_local_cloud(
    tmp_path: Path, name: str, count: int, seed: int
) -> None:
    changes, policy = CASES[name]
    arrivals, services = requests(count, seed)
    arrivals = [at + 100.0 for at in arrivals]  # the always-on worker has booted by then
    until = 60.0 * math.ceil(
        arrivals[-1] / 60 + 20
    )  # a full minute: the meter hears of running workers each minute
    billed, played = asyncio.run(replay(tmp_path, replace(RECORD, **changes), arrivals, services, until))
    planned = simulate(arrivals, services, policy, [Boot(BOOT_S)], until)
    assert planned.billed_s == pytest.approx(billed, rel=0.01)
    assert planned.cold / count == pytest.approx(played.cold / count, abs=0.005)
    assert p95(planned.waits) == pytest.approx(p95(list(played.waits.values())), rel=0.02)
    assert planned.boots == played.boots - policy.minimum
