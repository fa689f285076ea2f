"""Calls, inputs and outputs, without clock or sockets."""

import pytest
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import Book, DataStream, FunctionCall, Input, InputState

Result = api_pb2.GenericResult


def call(sync: bool = True, **policy: float) -> FunctionCall:
    return FunctionCall("fc-1", "fu-1", sync, api_pb2.FunctionRetryPolicy(**policy), 0.0)  # type: ignore[arg-type]


def finish(item: Input, status: int = Result.GENERIC_STATUS_SUCCESS) -> None:
    item.start("ta-1", 1.0)
    item.finish(Result(status=status), 0, 2.0)  # type: ignore[arg-type]


@pytest.fixture
def five() -> FunctionCall:
    book, opened = Book(), call()
    for idx in range(5):
        book.add(opened, f"in-{idx}", idx, api_pb2.FunctionInput(), 0.0)
    return opened


def test_outputs_come_in_the_order_in_which_they_ended(five: FunctionCall) -> None:
    for idx in (3, 0, 4):
        finish(five.inputs[idx])
    assert [item.idx for item in five.outputs()] == [3, 0, 4]
    assert [item.idx for item in five.outputs(after=1)] == [0, 4]
    assert (five.unfinished(), five.done) == (2, False)


def test_outputs_are_also_chosen_by_index(five: FunctionCall) -> None:
    for idx in range(5):
        finish(five.inputs[idx])
    assert [item.idx for item in five.outputs(start=1, end=2)] == [1, 2]
    assert [item.idx for item in five.outputs(start=4)] == [4]


def test_an_input_that_runs_again_has_no_output_until_it_ends_again(five: FunctionCall) -> None:
    item = five.inputs[0]
    finish(item, Result.GENERIC_STATUS_FAILURE)
    item.again(3.0)
    assert (five.outputs(), item.retry_count, item.state) == ([], 1, InputState.QUEUED)
    finish(item)
    (again,) = five.outputs(after=1)
    assert again.output is not None
    assert (again.output.seq, again.output.retry_count) == (2, 1)


def test_an_input_taken_from_its_container_keeps_its_attempt(five: FunctionCall) -> None:
    item = five.inputs[0]
    item.start("ta-1", 1.0)
    item.put_back(2.0)
    assert (item.retry_count, item.task_id, item.state) == (0, "", InputState.QUEUED)


def test_an_index_that_is_sent_twice_is_one_input() -> None:
    book, opened = Book(), call()
    first = book.add(opened, "in-1", 0, api_pb2.FunctionInput(), 0.0)
    assert book.add(opened, "in-2", 0, api_pb2.FunctionInput(), 0.0) is first
    assert list(book.inputs) == ["in-1"]


def test_nothing_of_a_forgotten_call_is_kept() -> None:
    book, opened = Book(), call()
    book.open(opened)
    book.add(opened, "in-1", 0, api_pb2.FunctionInput(), 0.0)
    book.forget("fc-1")
    book.forget("fc-1")
    assert (book.calls, book.inputs) == ({}, {})


@pytest.mark.parametrize(
    ("status", "failures", "expected"),
    [
        (Result.GENERIC_STATUS_SUCCESS, 0, None),
        (Result.GENERIC_STATUS_TERMINATED, 0, None),
        (Result.GENERIC_STATUS_FAILURE, 0, 2.0),
        (Result.GENERIC_STATUS_FAILURE, 1, 6.0),
        (Result.GENERIC_STATUS_TIMEOUT, 2, 18.0),
        (Result.GENERIC_STATUS_FAILURE, 3, None),
        (Result.GENERIC_STATUS_INTERNAL_FAILURE, 3, 0.0),
    ],
)
def test_the_policy_says_when_to_try_again(status: int, failures: int, expected: float | None) -> None:
    opened = call(sync=False, retries=3, initial_delay_ms=2000, backoff_coefficient=3.0)
    item = Book().add(opened, "in-1", 0, api_pb2.FunctionInput(), 0.0)
    item.failures = failures
    assert opened.retry_delay_s(item, Result(status=status)) == expected  # type: ignore[arg-type]


def test_callers_that_wait_retry_by_themselves() -> None:
    opened = call(sync=True, retries=3, initial_delay_ms=2000, backoff_coefficient=1.0)
    item = Book().add(opened, "in-1", 0, api_pb2.FunctionInput(), 0.0)
    assert opened.retry_delay_s(item, Result(status=Result.GENERIC_STATUS_FAILURE)) is None


def test_a_stream_is_read_without_gaps_and_a_chunk_may_come_again() -> None:
    stream = DataStream()
    stream.put(api_pb2.DataChunk(index=1, data=b"a"))
    stream.put(api_pb2.DataChunk(index=3, data=b"c"))
    assert [chunk.data for chunk in stream.after(0)] == [b"a"]
    stream.put(api_pb2.DataChunk(index=2, data=b"b"))
    stream.put(api_pb2.DataChunk(index=2, data=b"B"))
    assert [chunk.data for chunk in stream.after(0)] == [b"a", b"B", b"c"]
    stream.append(b"d", api_pb2.DATA_FORMAT_ASGI)
    assert [chunk.index for chunk in stream.after(3)] == [4]


def test_parents_that_wait_for_their_children_are_counted() -> None:
    book = Book()
    parent = book.open(FunctionCall("fc-p", "fu-p", True, api_pb2.FunctionRetryPolicy(), 0.0))
    outer = book.add(parent, "in-p", 0, api_pb2.FunctionInput(), 0.0)
    outer.start("ta-1", 1.0)
    child = book.open(
        FunctionCall("fc-c", "fu-c", True, api_pb2.FunctionRetryPolicy(), 0.0, parent_input_id="in-p")
    )
    inner = book.add(child, "in-c", 0, api_pb2.FunctionInput(), 0.0)
    assert (book.waiting_for_children("fu-p"), book.waiting_for_children("fu-c")) == (1, 0)
    finish(inner)
    assert book.waiting_for_children("fu-p") == 0
