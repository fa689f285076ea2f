"""What containers write, line by line, and who asks for it."""

import asyncio
from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.modal.calls.book import Book, FunctionCall
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.logs import LINE_BYTES, STDERR, STDOUT, Logs
from infra.localcloud.modal.model import FunctionRecord, LogFilter

EVERYTHING = LogFilter()


def container(task_id: str = "ta-1") -> Container:
    record = FunctionRecord("fu-1", "ap-1", "f", api_pb2.FunctionHandleMetadata())
    return Container(task_id, record, "main", 0.0)


def test_output_is_cut_into_lines(tmp_path: Path) -> None:
    logs = Logs(tmp_path, ManualClock())
    out = logs.sink(container(), STDOUT)
    out.feed(b"one\ntw", 1.0)
    out.feed(b"o\r\n\xff\nrest", 2.0)
    assert [line.text for line in logs.of("ap-1").read(EVERYTHING)] == ["one\n", "two\n", "\ufffd\n"]
    out.end(3.0)
    assert [(line.seq, line.text) for line in logs.of("ap-1").read(EVERYTHING, after=3)] == [(4, "rest\n")]


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    logs = Logs(tmp_path, ManualClock())
    logs.sink(container(), STDOUT).feed(b"x" * (LINE_BYTES + 1), 1.0)
    assert len(logs.of("ap-1").read(EVERYTHING)) == 1


def test_lines_are_chosen_by_what_is_asked_for(tmp_path: Path) -> None:
    logs = Logs(tmp_path, ManualClock())
    logs.sink(container(), STDOUT).feed(b"hello\n", 1.0)
    logs.sink(container("ta-2"), STDERR).feed(b"Oh no\n", 2.0)
    logs.system(container(), "exited", 3.0)
    read = logs.of("ap-1").read
    assert [line.text for line in read(LogFilter(task_id="ta-2"))] == ["Oh no\n"]
    assert [line.text for line in read(LogFilter(source=STDOUT))] == ["hello\n"]
    assert [line.text for line in read(LogFilter(since=2.0, until=3.0))] == ["Oh no\n"]
    assert [line.text for line in read(LogFilter(search="oh"))] == ["Oh no\n"]
    assert [line.text for line in read(EVERYTHING, limit=1)] == ["exited\n"]


def test_a_line_belongs_to_the_only_input_that_runs(tmp_path: Path) -> None:
    logs, one = Logs(tmp_path, ManualClock()), container()
    out = logs.sink(one, STDOUT)
    call = FunctionCall("fc-1", "fu-1", True, api_pb2.FunctionRetryPolicy(), 0.0)
    book = Book()
    first = book.add(call, "in-1", 0, api_pb2.FunctionInput(), 0.0)
    one.running["in-1"] = first
    out.feed(b"a\n", 1.0)
    one.running["in-2"] = book.add(call, "in-2", 1, api_pb2.FunctionInput(), 0.0)
    out.feed(b"b\n", 1.0)
    lines = logs.of("ap-1").read(EVERYTHING)
    assert [(line.function_call_id, line.input_id) for line in lines] == [("fc-1", "in-1"), ("", "")]


def test_lines_are_read_again_after_a_restart_but_for_one_that_was_cut_short(tmp_path: Path) -> None:
    logs = Logs(tmp_path, ManualClock())
    logs.sink(container(), STDOUT).feed(b"one\ntwo\n", 1.0)
    with (tmp_path / "ap-1.jsonl").open("a") as file:
        file.write('{"ts": 1, "se')
    again = Logs(tmp_path, ManualClock())
    assert [line.text for line in again.of("ap-1").read(EVERYTHING)] == ["one\n", "two\n"]
    again.sink(container(), STDOUT).feed(b"three\n", 2.0)
    third = Logs(tmp_path, ManualClock())
    assert [line.seq for line in third.of("ap-1").read(EVERYTHING)] == [1, 2, 3]


def test_followers_wake_with_a_new_line(tmp_path: Path) -> None:
    async def main() -> None:
        log = Logs(tmp_path, ManualClock()).of("ap-1")
        log.add(container(), STDOUT, "old\n", 1.0)
        await log.changed(0)
        waiting = asyncio.ensure_future(log.changed(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        log.add(container(), STDOUT, "new\n", 2.0)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())
