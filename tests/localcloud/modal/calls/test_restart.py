"""The daemon goes, gently or not, and comes back: calls in flight go on."""

from pathlib import Path

import pytest
from modal_proto import api_pb2

from tests.localcloud.modal.running import RunningModal
from tests.localcloud.modal.stage import ASYNC, Stage, play

pytestmark = pytest.mark.xdist_group("modal")

SOURCE = """
import time

@app.function(max_containers=1)
def wait(seconds):
    print("waiting", flush=True)
    time.sleep(seconds)
    return "waited"
"""


def test_a_spawned_call_goes_on_after_a_restart(tmp_path: Path) -> None:
    modal = RunningModal(tmp_path)
    try:
        modal.deploy(SOURCE)
        code = 'call = modal.Function.from_name("shop", "wait").spawn(2)\nanswer = call.object_id'
        call_id = modal.call(code)
        modal.until(lambda: any(item.task_id for item in modal.fleet.book.unfinished()))
        modal.restart()
        assert modal.call(f"answer = modal.FunctionCall.from_id({call_id!r}).get(timeout=60)") == "waited"
        modal.restart()
        assert modal.call(f"answer = modal.FunctionCall.from_id({call_id!r}).get(timeout=0)") == "waited"
    finally:
        modal.close()


def test_a_kill_loses_nothing_that_was_spawned(tmp_path: Path) -> None:
    call = api_pb2.FunctionMapResponse()

    async def before(stage: Stage) -> None:
        await stage.publish(max_containers=1)
        call.CopyFrom(await stage.call(b"1", b"2", kind=ASYNC, many=True))
        actor = await stage.actor()
        (item,) = await actor.take()
        await actor.put(item, b"one")
        # What a killed daemon leaves: nothing is flushed or closed.
        stage.fleet.journal.flush = lambda: None  # type: ignore[method-assign]

    async def after(stage: Stage) -> None:
        stage.fleet.open()
        await stage.settle()
        assert [output.result.data for output in await stage.outputs(call)] == [b"one"]
        actor = await stage.actor()
        (item,) = await actor.take()
        assert item.input.args == b"2"
        await actor.put(item, b"two")
        outputs = await stage.outputs(call, last_entry_id="1-0")
        assert [output.result.data for output in outputs] == [b"two"]

    play(tmp_path, before)
    play(tmp_path, after)


def test_quick_calls_are_never_written(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        await actor.put(item, b"2")
        await stage.outputs(call, clear_on_success=True)
        await stage.clock.advance(1)
        assert stage.world.kv("calls").items() == []
        slow = await stage.call(b"3")
        await stage.clock.advance(1)
        assert [key for key, _ in stage.world.kv("calls").items()] == [slow.function_call_id]

    play(tmp_path, test)
