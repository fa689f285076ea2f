"""Inputs and containers on a manual clock, with containers that the test plays."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from modal_proto import api_pb2

from infra.localcloud.core.faults import Fault, FaultKind
from infra.localcloud.modal.containers.crew import GIVE_UP
from infra.localcloud.modal.containers.ladder import EXIT_GRACE_S, STOP_GRACE_S
from infra.localcloud.modal.containers.pool import RELEASE_GRACE_S
from infra.localcloud.modal.containers.serving import HEARTBEAT_S, POLL_S
from infra.localcloud.modal.model import TaskState
from tests.localcloud.modal.stage import ASYNC, FAILURE, Stage, play

Test = Callable[[Stage], Awaitable[None]]
TERMINATED = api_pb2.GenericResult.GENERIC_STATUS_TERMINATED


@pytest.fixture
def played(tmp_path: Path) -> Callable[[Test], None]:
    return partial(play, tmp_path)


def test_an_input_goes_to_a_container_and_its_result_to_the_caller(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        waiting = stage.ask(
            "FunctionGetOutputs",
            api_pb2.FunctionGetOutputsRequest(
                function_call_id=call.function_call_id, timeout=55, last_entry_id="0-0"
            ),
        )
        actor = await stage.actor()
        (item,) = await actor.take()
        assert item.input.args == b"1"
        await actor.put(item, b"2")
        answer = await waiting
        assert [output.result.data for output in answer.outputs] == [b"2"]
        assert (answer.last_entry_id, answer.num_unfinished_inputs) == ("1-0", 0)

    played(test)


def test_an_empty_answer_comes_only_after_the_time_that_was_asked_for(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        request = api_pb2.FunctionGetOutputsRequest(function_call_id=call.function_call_id, timeout=55)
        waiting = stage.ask("FunctionGetOutputs", request)
        await stage.clock.advance(54.9)
        assert not waiting.done()
        await stage.clock.advance(0.2)
        answer = await waiting
        assert (list(answer.outputs), answer.num_unfinished_inputs) == ([], 1)

    played(test)


def test_a_poll_without_inputs_is_held(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(min_containers=1)
        actor = await stage.actor()
        poll = await actor.poll()
        await stage.clock.advance(POLL_S - 1)
        assert not poll.done()
        await stage.clock.advance(2)
        assert list(poll.result().inputs) == []

    played(test)


def test_a_container_that_stops_is_no_capacity(played: Any) -> None:
    """Or an input that comes meanwhile would wait for it forever."""

    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1, min_containers=1)
        first = await stage.actor()
        first.played.stubborn = True
        await first.poll()
        await stage.publish(version=2, max_containers=1)
        assert stage.fleet.tasks()[0].state is TaskState.DRAINING
        call = await stage.call(b"1")
        second = await stage.actor(1)
        (item,) = await second.take()
        await second.put(item, b"new")
        assert [output.result.data for output in await stage.outputs(call)] == [b"new"]

    played(test)


def test_an_input_finishes_on_the_old_version_and_the_next_gets_the_new(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        first_call = await stage.call(b"1")
        old = await stage.actor()
        (item,) = await old.take()
        await stage.publish(version=2)
        second_call = await stage.call(b"2")
        new = await stage.actor(1)
        (other,) = await new.take()
        await old.put(item, b"old")
        assert [answer.kill_switch for answer in await old.take()] == [True]
        await new.put(other, b"new")
        assert [output.result.data for output in await stage.outputs(first_call)] == [b"old"]
        assert [output.result.data for output in await stage.outputs(second_call)] == [b"new"]
        assert [task.version for task in stage.fleet.tasks()] == [1, 2]

    played(test)


def test_idle_containers_end_after_the_window_down_to_the_minimum(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(scaledown_window=20, min_containers=1)
        await stage.call(b"1", b"2", b"3", many=True)
        actors = [await stage.actor(number) for number in range(3)]
        for actor, item in [(actor, (await actor.take())[0]) for actor in actors]:
            await actor.put(item)
        polls = [await actor.poll() for actor in actors]
        await stage.clock.advance(19)
        assert not any(poll.done() for poll in polls)
        await stage.clock.advance(2)
        told = [poll.done() and poll.result().inputs[0].kill_switch for poll in polls]
        assert sorted(told) == [False, True, True]

    played(test)


def test_a_container_that_does_not_end_when_told_is_killed(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(scaledown_window=2)
        await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        await actor.put(item)
        await actor.poll()
        await stage.clock.advance(3)
        assert actor.played.signals == []
        await stage.clock.advance(EXIT_GRACE_S)
        assert actor.played.signals == ["KILL"]

    played(test)


def test_a_buffer_waits_beside_those_at_work(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(buffer_containers=2)
        assert stage.actors.all == []
        await stage.call(b"1")
        assert len(stage.actors.all) == 3

    played(test)


def test_a_lower_maximum_ends_idle_containers_at_once(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(min_containers=3)
        polls = [await (await stage.actor(number)).poll() for number in range(3)]
        await stage.publish(min_containers=1, max_containers=1)
        assert sum(poll.done() for poll in polls) == 2

    played(test)


def test_no_more_containers_start_at_once_than_there_are_turns(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        await stage.call(*[b"x"] * 5, many=True)
        assert len(stage.actors.all) == 2
        await stage.tell("ContainerHello", None, stage.actors.all[0].container.id)
        await stage.settle()
        assert len(stage.actors.all) == 3

    play(tmp_path, test, at_once=2)


def test_what_is_no_longer_needed_never_starts(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(*[b"x"] * 5, many=True)
        await stage.tell(
            "FunctionCallCancel", api_pb2.FunctionCallCancelRequest(function_call_id=call.function_call_id)
        )
        for played in stage.actors.all:
            await stage.tell("ContainerHello", None, played.container.id)
        await stage.settle()
        assert len(stage.actors.all) == 2

    play(tmp_path, test, at_once=2)


def test_a_heartbeat_is_held_and_brings_a_cancellation_at_once(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        beat = await actor.heartbeat()
        await stage.clock.advance(HEARTBEAT_S - 1)
        assert not beat.done()
        await stage.clock.advance(2)
        assert not beat.result().HasField("cancel_input_event")
        beat = await actor.heartbeat()
        cancel = api_pb2.FunctionCallCancelRequest(function_call_id=call.function_call_id)
        await stage.tell("FunctionCallCancel", cancel)
        await stage.settle()
        assert list(beat.result().cancel_input_event.input_ids) == [item.input_id]
        await actor.put(item, status=TERMINATED)
        assert [output.result.status for output in await stage.outputs(call)] == [TERMINATED]
        await stage.clock.advance(2 * RELEASE_GRACE_S)
        assert actor.played.signals == []

    played(test)


def test_a_cancelled_input_that_goes_on_costs_its_container(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_concurrent_inputs=2)
        call = await stage.call(b"1")
        other = await stage.call(b"2")
        actor = await stage.actor()
        await actor.take()
        (second,) = await actor.take()
        await stage.tell(
            "FunctionCallCancel", api_pb2.FunctionCallCancelRequest(function_call_id=call.function_call_id)
        )
        await stage.clock.advance(RELEASE_GRACE_S + 1)
        assert actor.played.signals == ["KILL"]
        assert [output.result.status for output in await stage.outputs(call)] == [TERMINATED]
        again = await stage.actor(1)
        (item,) = await again.take()
        assert (item.input_id, item.retry_count) == (second.input_id, second.retry_count)
        await again.put(item, b"done elsewhere")
        assert [output.result.data for output in await stage.outputs(other)] == [b"done elsewhere"]

    played(test)


def test_a_batch_goes_when_it_is_full_or_its_first_input_has_waited(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(batch_max_size=3, batch_linger_ms=500, max_containers=1)
        await stage.call(b"1", b"2", b"3", b"4", many=True)
        actor = await stage.actor()
        assert len(await actor.take(batch_max_size=3, batch_linger_ms=500)) == 3
        poll = await actor.poll(batch_max_size=3, batch_linger_ms=500)
        await stage.clock.advance(0.4)
        assert not poll.done()
        await stage.clock.advance(0.2)
        assert [item.input.args for item in poll.result().inputs] == [b"4"]

    played(test)


def test_a_result_of_an_older_attempt_is_dropped(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(timeout_secs=5, max_containers=1)
        call = await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        await stage.clock.advance(6)
        retry = api_pb2.FunctionRetryInputsItem(
            input_jwt=call.pipelined_inputs[0].input_jwt, input=item.input
        )
        await stage.tell("FunctionRetryInputs", api_pb2.FunctionRetryInputsRequest(inputs=[retry]))
        assert await stage.outputs(call) == []
        await actor.put(item, b"late")
        assert await stage.outputs(call) == []
        (second,) = await actor.take()
        assert second.retry_count == item.retry_count + 1
        await actor.put(second, b"in time")
        assert [output.result.data for output in await stage.outputs(call)] == [b"in time"]

    played(test)


def test_an_answer_that_does_not_reach_the_container_goes_to_another(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1, min_containers=1)
        actor = await stage.actor()
        poll = await actor.poll()
        item = api_pb2.FunctionPutInputsItem(input=api_pb2.FunctionInput(args=b"1"))
        started = stage.ask(
            "FunctionMap", api_pb2.FunctionMapRequest(function_id="fu-1", pipelined_inputs=[item])
        )
        # The answer is there, and the connection breaks before it is sent.
        await asyncio.sleep(0)
        poll.cancel()
        await stage.settle()
        (taken,) = await actor.take()
        await actor.put(taken, b"2")
        assert [output.result.data for output in await stage.outputs(await started)] == [b"2"]

    played(test)


def test_the_cloud_retries_what_nobody_waits_for_with_the_policys_delays(played: Any) -> None:
    async def test(stage: Stage) -> None:
        policy = api_pb2.FunctionRetryPolicy(retries=2, initial_delay_ms=2000, backoff_coefficient=2.0)
        await stage.publish(max_containers=1, retry_policy=policy)
        call = await stage.call(b"1", kind=ASYNC)
        actor = await stage.actor()
        (item,) = await actor.take()
        for count, delay_s in ((1, 2), (2, 4)):
            await actor.put(item, status=FAILURE)
            assert await stage.outputs(call) == []
            poll = await actor.poll()
            await stage.clock.advance(delay_s - 0.1)
            assert not poll.done()
            await stage.clock.advance(0.2)
            (item,) = poll.result().inputs
            assert item.retry_count == count
        await actor.put(item, status=FAILURE)
        assert [output.result.status for output in await stage.outputs(call)] == [FAILURE]

    played(test)


def test_dynamic_concurrency_rises_to_the_maximum_when_nothing_else_helps(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1, max_concurrent_inputs=10, target_concurrent_inputs=2)
        request = api_pb2.FunctionGetDynamicConcurrencyRequest(target_concurrency=2, max_concurrency=10)
        await stage.call(b"1", b"2", b"3", many=True)
        actor = await stage.actor()
        answer = await stage.tell("FunctionGetDynamicConcurrency", request, actor.id)
        assert answer.concurrency == 10
        for _ in range(3):
            await actor.take()
        answer = await stage.tell("FunctionGetDynamicConcurrency", request, actor.id)
        assert answer.concurrency == 2

    played(test)


def test_a_container_that_cannot_start_fails_what_waits_and_is_not_tried_in_a_loop(played: Any) -> None:
    async def test(stage: Stage) -> None:
        stage.actors.refuse = "image im-1 was not built"
        await stage.publish(min_containers=1)
        call = await stage.call(b"1")
        (output,) = await stage.outputs(call)
        assert output.result.exception == "Cannot start: image im-1 was not built"
        stage.actors.refuse = ""
        await stage.clock.advance(60)
        assert len(stage.actors.all) == 1

    played(test)


def test_containers_that_die_early_fail_what_waits_after_some_tries(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        for number in range(GIVE_UP):
            assert await stage.outputs(call) == []
            await (await stage.actor(number)).exit(3)
        (output,) = await stage.outputs(call)
        assert "exited with code 3" in output.result.exception
        assert len(stage.actors.all) == GIVE_UP

    played(test)


def test_an_import_error_fails_all_that_waits_with_what_the_container_said(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1", b"2", many=True)
        actor = await stage.actor()
        result = api_pb2.GenericResult(status=FAILURE, data=b"pickled", exception="ImportError()")
        await stage.tell("TaskResult", api_pb2.TaskResultRequest(result=result), actor.id)
        assert [output.result.data for output in await stage.outputs(call)] == [b"pickled"] * 2

    played(test)


def test_a_slow_start_is_given_up_after_its_timeout(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(startup_timeout_secs=20)
        call = await stage.call(b"1")
        actor = await stage.actor()
        await stage.clock.advance(21)
        assert actor.played.signals == ["KILL"]
        (output,) = await stage.outputs(call)
        assert output.result.status == api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT

    played(test)


def test_a_container_is_interrupted_and_then_killed_when_its_app_stops(played: Any) -> None:
    async def test(stage: Stage) -> None:
        record = await stage.publish()
        call = await stage.call(b"1")
        actor = await stage.actor()
        actor.played.stubborn = True
        await actor.take()
        record.stopped = True
        stage.fleet.stop_app("ap-1")
        assert [output.result.status for output in await stage.outputs(call)] == [TERMINATED]
        assert actor.played.signals == ["INT"]
        await stage.clock.advance(STOP_GRACE_S + 0.1)
        assert actor.played.signals == ["INT", "KILL"]
        assert stage.fleet.tasks() == []

    played(test)


def test_results_are_kept_a_while_after_they_were_cleared(played: Any) -> None:
    """The answer may have been lost, and is asked for again."""

    async def test(stage: Stage) -> None:
        await stage.publish()
        call = await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        await actor.put(item, b"2")
        for _ in range(2):
            assert len(await stage.outputs(call, clear_on_success=True)) == 1
        await stage.clock.advance(3600)
        assert stage.fleet.book.calls == {}
        assert stage.fleet.book.inputs == {}

    played(test)


def test_faults_befall_containers(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        stage.faults.replace(
            {"none": Fault(kind=FaultKind.STOCK_OUT, target="modal", path="/containers/f", times=1)}
        )
        call = await stage.call(b"1")
        assert stage.actors.all == []
        assert "no machine free" in stage.fleet.tasks()[0].reason
        stage.faults.replace(
            {"crash": Fault(kind=FaultKind.CRASH, target="modal", path="/containers/f/input", times=1)}
        )
        await stage.clock.advance(11)
        await (await stage.actor()).poll()
        (output,) = await stage.outputs(call)
        assert output.result.status == api_pb2.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE

    played(test)


def test_stats_count_what_waits_what_runs_and_what_could_run(played: Any) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=2, max_concurrent_inputs=2)
        await stage.call(*[b"x"] * 5, many=True)
        actor = await stage.actor()
        await actor.take()
        stats = stage.fleet.stats("fu-1")
        assert (stats.backlog, stats.tasks, stats.running_inputs, stats.headroom) == (4, 2, 1, 1)

    played(test)


def test_a_container_is_billed_from_its_start_to_its_end(played: Any) -> None:
    async def test(stage: Stage) -> None:
        resources = api_pb2.Resources(
            milli_cpu=2000, memory_mb=4096, gpu_config=api_pb2.GPUConfig(gpu_type="L4", count=2)
        )
        await stage.publish(resources=resources, scaledown_window=3000)
        stage.world.meter.watch(stage.fleet.usage)
        await stage.call(b"1")
        actor = await stage.actor()
        (item,) = await actor.take()
        await stage.clock.advance(100)
        assert stage.world.meter.spend()["fu-1"].seconds == 100
        await actor.put(item)
        await actor.exit(0)
        await stage.clock.advance(900)
        spent = stage.world.meter.spend()["fu-1"]
        assert spent.seconds == 100
        by_hand = 2 * Decimal("0.000222") + 2 * Decimal("0.0000131") + 4 * Decimal("0.00000222")
        assert abs(spent.usd - 100 * by_hand) < Decimal("0.0001")

    played(test)
