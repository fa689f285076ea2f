"""The loop's promises: an answer for each save, the last good version where there is none, and an end in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from infra.artifacts.source import SourceChanged
from infra.cli.call import CallError, HandlerError
from infra.cli.dev_log import WorkerLog
from infra.cli.dev_loop import Loop
from infra.cli.dev_source import Broken, Source
from infra.cli.dev_target import Answer, CannotStart, Lap, in_thread

LIMIT_S = 20
Step = str | BaseException | asyncio.Event


class Cloud:
    """A target whose code on disk is `disk` and whose versions answer as `answers` says: by default with their name."""

    def __init__(self, directory: Path) -> None:
        self.source = Source(directory, Path("stacks/search"))
        self.watched = [directory]
        self.log = WorkerLog(self.source, lambda line: None)
        self.disk: Step = "v1"
        self.running = "v0"
        self.answers: dict[str, Step] = {}
        self.done: list[str] = []
        self.news = asyncio.Event()
        self.swap_fails: list[BaseException] = []

    def did(self, step: str) -> None:
        self.done.append(step)
        self.news.set()

    async def open(self) -> None:
        self.did("open")

    async def live(self) -> str | None:
        return self.running

    async def build(self, lap: Lap) -> str:
        lap("build")
        return await self._step(self.disk)

    async def swap(self, version: str) -> None:
        if self.swap_fails:
            raise self.swap_fails.pop()
        self.running = version
        self.did(f"swap {version}")

    async def call(self, request: dict[str, Any], timeout_s: float) -> Answer:
        self.did(f"call {self.running} {request['n']}")
        self.log.traced.set()
        return Answer(await self._step(self.answers.get(self.running, self.running)), {"predict": 0.5})

    async def clean(self, versions: list[str]) -> None: ...

    async def close(self) -> None: ...

    async def _step(self, step: Step) -> str:
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
            return "late"
        return step


class Desk:
    """Someone who edits: `save` changes the disk, `quiet` waits until the loop waits for the next save."""

    def __init__(self, directory: Path) -> None:
        self.cloud = Cloud(directory)
        self.said: list[str] = []
        self.answers: list[str] = []
        self.noted: list[str] = []
        self.request = {"n": 1}
        self._saves: asyncio.Queue[list[Path]] = asyncio.Queue()
        self.loop = Loop(
            self.cloud,
            lambda: self.request,
            live="v0",
            timeout_s=60,
            note=self.noted.append,
            say=lambda text: self._hear(self.said, text),
            answer=lambda text: self._hear(self.answers, text),
            outage=lambda: "the next save tries again",
        )

    def save(self, disk: Step) -> None:
        self.cloud.disk = disk
        self._saves.put_nowait([self.cloud.source.directory / "model.py"])

    async def heard(self, text: str) -> None:
        """Until something is said, answered or done that has `text` in it."""

        async def wait() -> None:
            while not any(text in line for line in [*self.said, *self.answers, *self.cloud.done]):
                self.cloud.news.clear()
                await self.cloud.news.wait()

        await asyncio.wait_for(wait(), LIMIT_S)

    async def changes(self) -> AsyncIterator[list[Path]]:
        while True:
            yield await self._saves.get()

    def _hear(self, where: list[str], text: str) -> None:
        where.append(text)
        self.cloud.news.set()


def at_desk(tmp_path: Path, work: Callable[[Desk], Awaitable[None]]) -> Desk:
    async def run() -> Desk:
        (tmp_path / "model.py").write_text("")
        desk = Desk(tmp_path)
        loop = asyncio.ensure_future(desk.loop.run(desk.changes()))
        await work(desk)
        desk.loop.stopped.set()
        await asyncio.wait_for(loop, LIMIT_S)
        return desk

    return asyncio.run(run())


def test_what_is_on_disk_is_answered_at_once_and_so_is_each_save(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.save("v2")
        await desk.heard('"v2"')

    desk = at_desk(tmp_path, work)
    assert desk.cloud.done == ["swap v1", "call v1 1", "swap v2", "call v2 1"]
    assert desk.noted == ["v1", "v2"]
    assert "edit 2: answered in" in desk.said[-1]
    assert "predict 0.50" in desk.said[-1]


def test_a_save_without_a_change_calls_and_swaps_nothing(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.request = {"n": 2}
        desk.save("v1")
        await desk.heard("call v1 2")

    assert at_desk(tmp_path, work).cloud.done == ["swap v1", "call v1 1", "call v1 2"]


def test_code_that_cannot_be_built_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.save(Broken(["stacks/search/model.py:3: invalid syntax", "stacks/search/other.py:1: too"]))
        await desk.heard("keeps answering")

    desk = at_desk(tmp_path, work)
    assert "error: stacks/search/model.py:3: invalid syntax" in desk.said
    assert "error: stacks/search/other.py:1: too" in desk.said
    assert desk.cloud.running == "v1"


def test_a_version_that_cannot_start_is_swapped_out_for_the_last_good_one(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v2"] = CannotStart("stacks/search/model.py:9: in load: no")
        await desk.heard('"v1"')
        desk.save("v2")
        await desk.heard("answers again")
        desk.save("v3")
        await desk.heard('"v3"')

    desk = at_desk(tmp_path, work)
    assert "error: stacks/search/model.py:9: in load: no" in desk.said
    assert [step for step in desk.cloud.done if step.startswith("swap")] == [
        "swap v1",
        "swap v2",
        "swap v1",
        "swap v3",
    ]


def test_the_stacks_own_version_is_the_good_one_before_any_other_started(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v1"] = CannotStart("no")
        await desk.heard("answers again")

    assert at_desk(tmp_path, work).cloud.running == "v0"


def test_a_handler_that_fails_at_the_request_stays_and_is_located(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v1"] = HandlerError(
            "the job ended as FAILED: TypeError: no (model.py line 4, in predict)"
        )
        desk.cloud.answers["v2"] = CannotStart("no")
        await desk.heard("error: stacks/search/model.py:4: in predict: TypeError: no")
        desk.save("v2")
        await desk.heard("answers again")

    assert at_desk(tmp_path, work).cloud.running == "v1"


def test_a_message_without_a_place_gets_that_of_the_traceback(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v1"] = HandlerError("the handler failed: the input has no 'abc'")
        desk.cloud.log.begin = lambda: setattr(desk.cloud.log, "place", "stacks/search/model.py:7")  # type: ignore[method-assign]
        await desk.heard("error: stacks/search/model.py:7: the input has no 'abc'")

    at_desk(tmp_path, work)


def test_a_save_ends_the_wait_for_a_handler_that_hangs(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v1"] = asyncio.Event()
        await desk.heard("call v1 1")
        desk.save("v2")
        await desk.heard('"v2"')

    assert at_desk(tmp_path, work).answers == ['"v2"']


def test_a_save_during_a_build_gives_that_build_up(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.save(asyncio.Event())
        desk.save("v3")
        await desk.heard('"v3"')

    assert at_desk(tmp_path, work).noted == ["v1", "v3"]


def test_the_end_does_not_wait_for_a_handler_that_hangs(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.cloud.answers["v1"] = asyncio.Event()
        await desk.heard("call v1 1")

    assert at_desk(tmp_path, work).answers == []


def test_after_an_outage_the_next_save_connects_anew_and_trusts_nothing(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.cloud.swap_fails = [CallError("the cloud did not answer")]
        desk.save("v2")
        await desk.heard("the next save tries again")
        desk.save("v2")
        await desk.heard('"v2"')

    desk = at_desk(tmp_path, work)
    assert desk.cloud.done[-3:] == ["open", "swap v2", "call v2 1"]


def test_a_file_that_changes_while_it_is_read_is_the_next_rounds(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.heard('"v1"')
        desk.save(SourceChanged("model.py changed"))
        desk.save("v2")
        await desk.heard('"v2"')

    assert not any("error" in line for line in at_desk(tmp_path, work).said)


@pytest.mark.parametrize(("step", "answered"), [("fine", True), (CallError("no"), False)])
def test_once_says_whether_it_was_answered(tmp_path: Path, step: Step, answered: bool) -> None:
    async def run() -> bool:
        desk = Desk(tmp_path)
        desk.cloud.answers["v1"] = step
        return await desk.loop.once()

    assert asyncio.run(run()) is answered


def test_a_thread_that_nobody_waits_for_learns_it() -> None:
    seen: list[BaseException] = []

    async def run() -> None:
        started, ended = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(*, progress: Callable[[str, float], None]) -> None:
            loop.call_soon_threadsafe(started.set)
            try:
                while True:
                    progress("waiting", 0.0)
            except Exception as error:
                seen.append(error)
                loop.call_soon_threadsafe(ended.set)
                raise

        task = asyncio.ensure_future(in_thread(work))
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(ended.wait(), LIMIT_S)

    asyncio.run(run())
    assert [type(error).__name__ for error in seen] == ["Superseded"]
