"""The plan against the local Modal's own queue, autoscaler and meter: the same requests, containers played in process,
time injected."""

import asyncio
import math
from pathlib import Path
from random import Random

import pytest
from modal_proto import api_pb2

from infra.planning.run import Boot, Outcome, Policy
from infra.planning.simulate import simulate
from tests.localcloud.modal.stage import ASYNC, SUCCESS, Played, Stage

BOOT_S = 8.0


class Play:
    """Boots each container, then lets it take inputs one after the other: each names the seconds that it needs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.submitted: dict[int, float] = {}
        self.waits: dict[int, float] = {}
        self.cold = 0
        self._seen = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def advance(self, until: float) -> None:
        """In steps, so that each new container gets somebody who plays it before its boot is over."""
        clock = self.stage.clock
        while clock.now() < until:
            self._meet()
            await clock.advance(min(1.0, until - clock.now()))
        self._meet()

    def _meet(self) -> None:
        for played in self.stage.actors.all[self._seen :]:
            task = asyncio.ensure_future(self._live(played))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._seen = len(self.stage.actors.all)

    async def _live(self, played: Played) -> None:
        stage, container = self.stage, played.container
        await stage.clock.sleep(container.started_at + BOOT_S - stage.clock.now())
        fresh = True
        while not played.exited.done():
            answer = await stage.ask("FunctionGetInputs", api_pb2.FunctionGetInputsRequest(), container.id)
            for item in answer.inputs:
                if item.kill_switch:
                    played.exit(0)
                    return
                number, seconds = item.input.args.decode().split()
                wait = stage.clock.now() - self.submitted[int(number)]
                self.waits[int(number)] = wait
                self.cold += fresh and wait > 0.001
                fresh = False
                await stage.clock.sleep(float(seconds))
                output = api_pb2.FunctionPutOutputsItem(
                    input_id=item.input_id,
                    retry_count=item.retry_count,
                    result=api_pb2.GenericResult(status=SUCCESS),  # type: ignore[arg-type]
                )
                request = api_pb2.FunctionPutOutputsRequest(outputs=[output])
                await stage.ask("FunctionPutOutputs", request, container.id)


def requests(count: int, seed: int) -> tuple[list[float], list[float]]:
    source, now, arrivals = Random(seed), 5.0, []
    for _ in range(count):
        now += source.expovariate(0.3) if source.random() < 0.6 else source.expovariate(0.01)
        arrivals.append(round(now, 3))
    return arrivals, [round(source.expovariate(0.15), 3) + 0.6 for _ in arrivals]


async def replay(
    folder: Path, arrivals: list[float], services: list[float], until: float, **settings: int
) -> tuple[float, Play, int]:
    stage = Stage(folder)
    play = Play(stage)
    await stage.publish(**settings)
    begin = stage.clock.now()
    for number, (at, seconds) in enumerate(zip(arrivals, services, strict=True)):
        await play.advance(begin + at)
        play.submitted[number] = stage.clock.now()
        await stage.call(f"{number} {seconds}".encode(), kind=ASYNC)
    await play.advance(begin + until)
    spend = sum(run.seconds for run in stage.world.meter.runs())
    booted = len(stage.actors.all)
    for played in stage.actors.running:
        played.exit(0)
    await stage.fleet.close()
    stage.store.close()
    return spend, play, booted


def p95(waits: list[float]) -> float:
    return Outcome(0, 0, 0, 0, waits, 0).wait(0.95)[0]


@pytest.mark.parametrize(("count", "seed"), [(80, 5), pytest.param(1_000, 6, marks=pytest.mark.campaign)])
def test_cost_cold_starts_and_waits_are_those_of_the_local_modal(
    tmp_path: Path, count: int, seed: int
) -> None:
    arrivals, services = requests(count, seed)
    until = 60.0 * math.ceil(arrivals[-1] / 60 + 10)
    billed, play, booted = asyncio.run(
        replay(tmp_path, arrivals, services, until, max_containers=3, scaledown_window=20)
    )
    planned = simulate(arrivals, services, Policy(0, 3, 20.0, pick="fullest"), [Boot(BOOT_S)], until)
    assert len(play.waits) == count
    assert planned.billed_s == pytest.approx(billed, rel=0.01)
    assert planned.cold / count == pytest.approx(play.cold / count, abs=0.005)
    assert p95(list(planned.waits)) == pytest.approx(p95(list(play.waits.values())), rel=0.02)
    assert planned.boots == booted
