"""The same request with the same key is answered once."""

import asyncio

import pytest
from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.faults import Fault, FaultKind
from infra.localcloud.modal.replay import KEEP_S, Replay

KEY = ("", "AppCreate", "k1")


class Counter:
    def __init__(self) -> None:
        self.calls = 0
        self.fail = False

    async def work(self) -> api_pb2.AppCreateResponse:
        self.calls += 1
        await asyncio.sleep(0)
        if self.fail:
            raise RuntimeError
        return api_pb2.AppCreateResponse(app_id=f"ap-{self.calls}")


def test_requests_at_once_and_later_share_one_answer() -> None:
    async def scenario() -> None:
        replay, counter = Replay(ManualClock()), Counter()
        answers = await asyncio.gather(*(replay.once(KEY, counter.work) for _ in range(3)))
        answers.append(await replay.once(KEY, counter.work))
        assert {answer.app_id for answer in answers} == {"ap-1"}
        assert (await replay.once(("", "AppCreate", "k2"), counter.work)).app_id == "ap-2"

    asyncio.run(scenario())


def test_a_failure_is_tried_again() -> None:
    async def scenario() -> None:
        replay, counter = Replay(ManualClock()), Counter()
        counter.fail = True
        with pytest.raises(RuntimeError):
            await replay.once(KEY, counter.work)
        await asyncio.sleep(0)
        counter.fail = False
        assert (await replay.once(KEY, counter.work)).app_id == "ap-2"

    asyncio.run(scenario())


def test_an_answer_is_finished_for_the_retry_of_a_caller_that_left() -> None:
    async def scenario() -> None:
        replay, counter = Replay(ManualClock()), Counter()
        first = asyncio.ensure_future(replay.once(KEY, counter.work))
        await asyncio.sleep(0)
        first.cancel()
        assert (await replay.once(KEY, counter.work)).app_id == "ap-1"
        assert counter.calls == 1

    asyncio.run(scenario())


def test_answers_are_forgotten_in_time() -> None:
    async def scenario() -> None:
        clock, counter = ManualClock(), Counter()
        replay = Replay(clock)
        await replay.once(KEY, counter.work)
        await clock.advance(KEEP_S + 1)
        assert (await replay.once(KEY, counter.work)).app_id == "ap-2"

    asyncio.run(scenario())


def test_a_retried_creation_makes_one_app(cloud) -> None:
    cloud.world.faults.replace(
        {"one": Fault(kind=FaultKind.LOST_ANSWER, path="/AppCreate", target="modal", times=1)}
    )
    cloud.python("import modal\napp = modal.App('x')\napp.deploy()")
    assert cloud.world.faults.active() == {}
    assert len(cloud.world.apps) == 1
