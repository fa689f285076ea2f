"""Waiting for workers: progress as it happens, the reason when it fails, and the repair at the next `up`."""

import asyncio
from typing import Any

import pytest
from google.protobuf import empty_pb2

from infra.localcloud.runpod.model import LogLine, WorkerStatus, WorkerView
from tests.localcloud.rest.fakes import worker
from tests.runpod.engine import Failed
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

READY, STARTING, SICK, STUCK, BUSY = (
    WorkerStatus.IDLE,
    WorkerStatus.INITIALIZING,
    WorkerStatus.UNHEALTHY,
    WorkerStatus.THROTTLED,
    WorkerStatus.RUNNING,
)
ALWAYS_ON: dict[str, Any] = GPU | {"workers": {"min": 2, "max": 3}}


def play(world: World, *scenes: list[WorkerView]) -> None:
    """Whenever the provider waits, the next scene comes on; the last one stays."""
    remaining = list(scenes)

    def next_scene() -> None:
        if remaining:
            scene = remaining.pop(0)
            for endpoint in world.fleet.applied:
                world.fleet.staff[endpoint.id] = scene

    world.clock.on_sleep = next_scene


async def test_a_create_waits_for_its_workers_and_tells_how_far_it_is(world: World) -> None:
    play(
        world,
        [worker("w1", STARTING), worker("w2", STUCK)],
        [worker("w1", READY), worker("w2", STARTING)],
        [worker("w1", READY), worker("w2", BUSY)],
    )
    assert await world.engine.up("search", ALWAYS_ON) == "create"
    assert world.link.said == [
        "rollout 0/2 workers",
        "rollout 0/2 workers, 1 initializing, 1 throttled",
        "rollout 1/2 workers, 1 initializing",
    ]
    assert world.engine.state["search"].plain["version"] == 1


async def test_an_unhealthy_worker_fails_the_create_with_its_last_words_and_keeps_the_id(
    world: World,
) -> None:
    sick = worker("w1", SICK, image="broken")
    lines = [LogLine(float(n), n, "container", f"step {n}") for n in range(30)]
    world.fleet.lines["w1"] = [
        *lines,
        LogLine(99.0, 99, "container", "ModuleNotFoundError: No module named 'torch'"),
    ]

    async def short_logs(*args: Any, **kwargs: Any) -> Any:
        for line in world.fleet.lines["w1"][-kwargs["tail"] :]:
            yield line

    world.fleet.logs = short_logs  # type: ignore[method-assign]
    play(world, [worker("w1", STARTING)], [sick])
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", ALWAYS_ON)
    text = str(caught.value)
    assert "worker w1 is unhealthy (image broken)" in text
    assert "No module named 'torch'" in text
    assert "step 29" in text
    assert "step 3\n" not in text
    (raw,) = await world.endpoints()
    entry = world.engine.state["search"]
    assert entry.id == raw["id"]
    assert entry.plain["url"] == raw["requestUrls"]["runSync"]

    play(world, [worker("w3", READY), worker("w4", READY)])
    assert await world.engine.up("search", ALWAYS_ON) == "update"
    assert world.engine.state["search"].init_errors == []
    assert [found["id"] for found in await world.endpoints()] == [raw["id"]]


async def test_a_sick_worker_beside_one_on_its_way_is_waited_for(world: World) -> None:
    play(
        world,
        [worker("w1", SICK), worker("w2", READY), worker("w3", STARTING)],
        [worker("w1", SICK), worker("w2", READY), worker("w3", READY)],
    )
    await world.engine.up("search", ALWAYS_ON)


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([worker("w1", STUCK)], "no free machine"),
        ([], "worker limit or spend limit"),
        ([worker("w1", STARTING)], "1 initializing"),
    ],
)
async def test_time_running_out_says_what_was_missing(
    world: World, workers: list[WorkerView], says: str
) -> None:
    play(world, workers)
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", ALWAYS_ON, timeout=60)
    assert "not ready after 60 s: rollout 0/2 workers" in str(caught.value)
    assert says in str(caught.value)
    assert world.engine.state["search"].init_errors
    # The server's own keep-alive of the log stream uses this clock too.
    assert sum(seconds for seconds in world.clock.slept if seconds <= 5) <= 60


async def test_an_image_change_waits_until_no_worker_runs_the_old_one(world: World) -> None:
    await world.engine.up("search", GPU)
    id = world.engine.state["search"].id
    world.fleet.staff[id] = [worker("old", BUSY, version=1)]
    play(
        world,
        [worker("old", BUSY, version=1), worker("new", STARTING, version=2)],
        [worker("new", READY, version=2)],
    )
    assert await world.engine.up("search", GPU | {"image": "i2"}) == "update"
    assert world.link.said[0] == "rollout, 1 still on the old version"
    assert world.engine.state["search"].plain["version"] == 2


async def test_an_old_worker_that_stays_busy_is_a_warning_and_no_failure(world: World) -> None:
    await world.engine.up("search", GPU)
    world.fleet.staff[world.engine.state["search"].id] = [worker("old", BUSY, version=1)]
    await world.engine.up("search", GPU | {"image": "i2"}, timeout=30)
    assert any("still on the old version" in text for text in world.link.warned)


async def test_who_does_not_want_to_wait_does_not(world: World) -> None:
    await world.engine.up("search", ALWAYS_ON | {"waitForRollout": False})
    assert world.clock.slept == []
    world.requests.clear()
    await world.engine.up("search", ALWAYS_ON)
    assert world.requests == []


async def test_what_does_not_move_workers_is_not_waited_for(world: World) -> None:
    await world.engine.up("search", GPU)
    world.requests.clear()
    await world.engine.up("search", GPU | {"timeoutMs": 9000, "flashboot": "FLASHBOOT"})
    assert not [request for request in world.requests if request.endswith("/workers")]


async def test_cancelling_the_wait_keeps_the_id(world: World) -> None:
    waiting, never = asyncio.Event(), asyncio.Event()

    async def hang(seconds: float) -> None:
        waiting.set()
        await never.wait()

    world.clock.sleep = hang  # type: ignore[method-assign]
    running = asyncio.ensure_future(world.engine.up("search", ALWAYS_ON))
    reached = asyncio.ensure_future(waiting.wait())
    await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED)
    await world.engine.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(Failed, match="stopped"):
        await running
    reached.cancel()
    (raw,) = await world.endpoints()
    assert world.engine.state["search"].id == raw["id"]


async def test_throttled_workers_name_what_is_sold_out_where(world: World) -> None:
    world.settings.stock = {"EU-RO-1": {"NVIDIA L4": "NONE"}}
    play(world, [worker("w1", STUCK)])
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", ALWAYS_ON | {"dataCenterIds": ["EU-RO-1"]}, timeout=60)
    assert "(L4: sold out in EU-RO-1 now)" in str(caught.value)


async def test_a_worker_that_is_still_starting_says_how_far_it_is_and_where(world: World) -> None:
    world.fleet.lines["w1"] = [LogLine(1.0, 1, "system", "pulling layer 7 of 9")]

    async def short_logs(*args: Any, **kwargs: Any) -> Any:
        for line in world.fleet.lines["w1"]:
            yield line

    world.fleet.logs = short_logs  # type: ignore[method-assign]
    play(world, [worker("w1", STARTING)])
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", ALWAYS_ON, timeout=60)
    assert "worker w1 is initializing" in str(caught.value)
    assert "on NVIDIA L4 in EU-RO-1:\n    pulling layer 7 of 9" in str(caught.value)
