"""Figures of what has run, on a clock that the test moves."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.localcloud.modal import accounts
from infra.localcloud.modal.accounts.window import distribution, stamp
from infra.localcloud.modal.calls.bound import bound_function
from infra.localcloud.modal.rpc import Call, RpcError
from tests.localcloud.modal.stage import FAILURE, Stage, play


async def ask(stage: Stage, method: str, request: Any) -> Any:
    return await accounts.rpcs(stage.world)[method](request, Call(method, 1, "1.6.4", True, None, "", {}))


async def some_work(stage: Stage) -> str:
    """Two inputs that took 2 s and 4 s, one that failed after 1 s, one that runs; the container, up after 3 s."""
    await stage.publish(max_containers=1)
    await stage.call(b"a")
    await stage.clock.advance(3)
    actor = await stage.actor()
    for seconds, status in ((2, 1), (4, 1), (1, FAILURE)):
        (item,) = await actor.take()
        await stage.clock.advance(seconds)
        await stage.call(b"next")
        await actor.put(item, status=status)
    await actor.take()
    return actor.id


def test_a_function_has_figures_of_its_inputs_and_containers(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await some_work(stage)
        request = api_pb2.FunctionGetTimeRangeStatsRequest(function_id="fu-1")
        answer = await ask(stage, "FunctionGetTimeRangeStats", request)
        assert (answer.input_success_count, answer.input_failure_count, answer.input_timeout_count) == (
            2,
            1,
            0,
        )
        assert answer.input_running_at_end_count == 1
        took = answer.input_percentile_stats["Execution time (s)"]
        assert [(item.percentile_basis_points, item.value) for item in took.percentiles] == [
            (5000, 2.0), (9000, 4.0), (9900, 4.0),
        ]  # fmt: skip
        assert (answer.container_started_count, answer.container_total_count) == (1, 1)
        assert answer.container_error_count == answer.container_creating_at_end_count == 0
        startup = answer.container_percentile_stats["Startup time (s)"].percentiles
        assert [item.value for item in startup] == [3.0] * 3

    play(tmp_path, test)


def test_only_what_ended_in_the_time_asked_for_counts(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        begin = stage.clock.now()
        await some_work(stage)
        request = api_pb2.FunctionGetTimeRangeStatsRequest(
            function_id="fu-1", since=stamp(begin + 6), until=stamp(begin + 9.5)
        )
        answer = await ask(stage, "FunctionGetTimeRangeStats", request)
        assert (answer.input_success_count, answer.input_failure_count) == (1, 0)
        assert (answer.container_started_count, answer.container_total_count) == (0, 1)
        request.container_id = "ta-other"
        answer = await ask(stage, "FunctionGetTimeRangeStats", request)
        assert (answer.input_success_count, answer.container_total_count) == (0, 0)
        request.until.CopyFrom(stamp(begin))
        with pytest.raises(RpcError, match="ends before it begins"):
            await ask(stage, "FunctionGetTimeRangeStats", request)

    play(tmp_path, test)


def test_a_container_that_crashed_is_an_error(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await some_work(stage)
        await (await stage.actor()).exit(1)
        answer = await ask(
            stage, "FunctionGetTimeRangeStats", api_pb2.FunctionGetTimeRangeStatsRequest(function_id="fu-1")
        )
        assert answer.container_error_count == 1
        assert answer.input_failure_count == 2

    play(tmp_path, test)


def test_an_app_has_the_sum_of_its_functions(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await some_work(stage)
        stage.world.apps["ap-1"].function_ids = {"f": "fu-1"}
        answer = await ask(stage, "AppGetTimeRangeStats", api_pb2.AppGetTimeRangeStatsRequest(app_id="ap-1"))
        for counts in (answer.functions.total, answer.functions.by_name["f"].counts):
            assert (counts.calls.total, counts.calls.succeeded, counts.calls.failed) == (4, 2, 1)
            assert counts.containers.container_active_count == 1
        assert answer.lifecycle.app_state == api_pb2.APP_STATE_DEPLOYED

    play(tmp_path, test)


def test_calls_are_listed_newest_first_or_of_a_time(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        begin = stage.clock.now()
        container = await some_work(stage)
        request = api_pb2.FunctionCallFetchRequest(function_id="fu-1")
        request.tail.count = 2
        newest, before = (await ask(stage, "FunctionCallFetch", request)).function_call_inputs
        assert newest.status == api_pb2.FUNCTION_CALL_INPUT_STATUS_RUNNING
        assert before.status == api_pb2.FUNCTION_CALL_INPUT_STATUS_FAILURE
        assert (before.container_id, before.execution_time_seconds) == (container, 1.0)
        of_time = api_pb2.FunctionCallFetchRequest.Range(since=stamp(begin), until=stamp(begin + 5), limit=9)
        request = api_pb2.FunctionCallFetchRequest(function_id="fu-1", range=of_time)
        (first,) = (await ask(stage, "FunctionCallFetch", request)).function_call_inputs
        assert (first.enqueued_at.seconds, first.execution_time_seconds) == (begin, 2.0)
        count = api_pb2.FunctionCallCountRequest(
            function_id="fu-1", since=stamp(begin), until=stamp(begin + 60), bucket_secs=5
        )
        buckets = (await ask(stage, "FunctionCallCount", count)).buckets
        assert [(item.bucket_start_at.seconds - begin, item.count) for item in buckets] == [
            (0, 1),
            (5, 2),
            (10, 1),
        ]

    play(tmp_path, test)


def test_calls_are_listed_by_when_they_came_whatever_ended_first(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1)
        early = await stage.call(b"early")
        await stage.clock.advance(1)
        late = await stage.call(b"late")
        actor = await stage.actor()
        await actor.take()
        (second,) = await actor.take()
        await actor.put(second)
        answer = await ask(stage, "FunctionCallFetch", api_pb2.FunctionCallFetchRequest(function_id="fu-1"))
        ids = [item.function_call_id for item in answer.function_call_inputs]
        assert ids == [late.function_call_id, early.function_call_id]

    play(tmp_path, test)


def test_what_is_bound_to_a_function_counts_only_where_it_is_asked_for(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await some_work(stage)
        bound = bound_function(stage.world, "fu-1", b"1").function_id
        request = api_pb2.FunctionMapRequest(
            function_id=bound, pipelined_inputs=[api_pb2.FunctionPutInputsItem(idx=0)]
        )
        await stage.tell("FunctionMap", request)
        actor = await stage.actor(1)
        (item,) = await actor.take()
        await actor.put(item)
        for rollup, wanted in ((False, 2), (True, 3)):
            figures = api_pb2.FunctionGetTimeRangeStatsRequest(function_id="fu-1", rollup=rollup)
            answer = await ask(stage, "FunctionGetTimeRangeStats", figures)
            assert (answer.input_success_count, answer.variant_count) == (wanted, 1)

    play(tmp_path, test)


def test_variants_are_listed_page_by_page(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish()
        options = api_pb2.FunctionOptions(timeout_secs=7)
        bound = {
            bound_function(stage.world, "fu-1", params, options).function_id for params in (b"1", b"2", b"3")
        }
        request = api_pb2.FunctionListVariantsRequest(function_id="fu-1", limit=2)
        first = await ask(stage, "FunctionListVariants", request)
        request.cursor.CopyFrom(first.next_cursor)
        second = await ask(stage, "FunctionListVariants", request)
        assert not second.HasField("next_cursor")
        infos = [*first.infos, *second.infos]
        assert {info.function_id for info in infos} == bound
        assert {info.serialized_params for info in infos} == {b"1", b"2", b"3"}
        assert {info.function_options.timeout_secs for info in infos} == {7}

    play(tmp_path, test)


def test_percentiles_are_by_nearest_rank() -> None:
    assert [item.value for item in distribution(range(1, 101)).percentiles] == [50, 90, 99]
    assert list(distribution([]).percentiles) == []
    assert stamp(1.25) == Timestamp(seconds=1, nanos=250_000_000)
