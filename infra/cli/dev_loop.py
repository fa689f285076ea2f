"""The loop: what a save starts, what another save or Ctrl-C ends, and what is said of it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from infra.artifacts.source import SourceChanged
from infra.cli.call import HandlerError
from infra.cli.dev_source import Broken
from infra.cli.dev_target import Answer, CannotStart, Superseded, Target
from infra.spec.errors import PilotlightError

T = TypeVar("T")
_SLOW_S = 3.0  # until it is said what takes so long
_LOG_S = 0.5  # for a log line to follow the answer that it is about
_FRESH_S = 10.0
"""A file that is older was not saved now: it was moved here, or its time was set."""


class Loop:
    """`request` gives the input of each call, `note` is told of each version before the cloud is, `outage` says what an
    error of the cloud means for the next save.

    `good` is the last version whose workers start; `current` what the cloud runs, None when that is not known.
    """

    def __init__(
        self,
        target: Target,
        request: Callable[[], dict[str, Any]],
        *,
        live: str,
        timeout_s: float,
        note: Callable[[str], None],
        say: Callable[[str], None],
        answer: Callable[[str], None],
        outage: Callable[[], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.current: str | None = live
        self.good = live
        self.stopped = asyncio.Event()
        self._target, self._request = target, request
        self._timeout_s, self._note, self._outage = timeout_s, note, outage
        self._say, self._answer, self._now = say, answer, now
        self._changed: list[Path] = []
        self._dirty = asyncio.Event()
        self._stale = False
        self._numbers: dict[str, int] = {live: 0}

    async def once(self) -> bool:
        """One round with what is on disk. Whether it was answered."""
        return await self._round([])

    async def run(self, changes: AsyncIterator[list[Path]]) -> None:
        """A round now and one for each change, until `stopped` is set."""
        pump = asyncio.ensure_future(self._pump(changes))
        try:
            await self._round([])
            while await self._next():
                changed, self._changed = self._changed, []
                self._dirty.clear()
                await self._round(changed)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, changes: AsyncIterator[list[Path]]) -> None:
        async for changed in changes:
            self._changed = list(dict.fromkeys([*self._changed, *changed]))
            self._dirty.set()

    async def _next(self) -> bool:
        await _first(self._dirty.wait(), self.stopped.wait())
        return not self.stopped.is_set()

    async def _round(self, changed: list[Path]) -> bool:
        laps = Laps(_saved_at(changed, self._now()), self._now)
        if changed:
            laps("notice")
        try:
            if self._stale:
                await self._target.open()
                self._stale, self.current = False, await self._target.live()
            answered = await self._answered(laps)
        except Superseded:
            return False
        except SourceChanged:
            return False  # the save that changed it starts a round of its own
        except Broken as error:
            self._complain(*error.problems)
            self._say("the last good version keeps answering")
        except HandlerError as error:
            self._complain(await self._placed(_reason(error.what)))
        except CannotStart as error:
            self._complain(await self._placed(error.what))
            await self._swap_back()
        except PilotlightError as error:
            self._complain(str(error))
            self._say(self._outage())
            self._stale = True
        else:
            self._show(answered, laps)
            return True
        return False

    async def _answered(self, laps: "Laps") -> Answer:
        version = await self._interruptible("building", self._target.build(laps))
        self._numbers.setdefault(version, len(self._numbers))
        if version != self.current:
            self._note(version)
            await self._target.swap(version)
            self.current = version
            laps("swap")
        self._target.log.begin()
        try:
            answer = await self._interruptible(
                "waiting for the answer", self._target.call(self._request(), self._timeout_s)
            )
        except HandlerError:
            self.good = version
            raise
        self.good = version
        return answer

    async def _placed(self, text: str) -> str:
        """A worker's error with its place: from its text, or from the traceback that the log brings a moment later."""
        source, log = self._target.source, self._target.log
        explained = source.explained(text)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(log.traced.wait(), _LOG_S)
        known = explained.startswith(f"{source.shown}/") or log.place is None
        return explained if known else f"{log.place}: {explained}"

    async def _swap_back(self) -> None:
        """A version that cannot start answers nobody. One that fails at a request stays: it is what is being worked at."""
        if self.current == self.good:
            return
        try:
            await self._target.swap(self.good)
            self.current = self.good
        except PilotlightError as error:
            self.current = None
            self._say(f"the last good version could not be put back: {error}")
        else:
            self._say("the last good version answers again")

    async def _interruptible(self, doing: str, work: Coroutine[Any, Any, T]) -> T:
        """Raises Superseded when something changes, or all is to end, before `work` is done."""
        task = asyncio.ensure_future(work)
        slow = asyncio.get_running_loop().call_later(_SLOW_S, self._say, f"still {doing}; a save starts anew")
        try:
            await _first(_done(task), self._dirty.wait(), self.stopped.wait())
        finally:
            slow.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise Superseded

    def _complain(self, *problems: str) -> None:
        for problem in problems:
            self._say(f"error: {problem}")

    def _show(self, answer: Answer, laps: "Laps") -> None:
        steps = {**laps.taken, **answer.took}
        total = self._now() - laps.began
        rest = total - sum(steps.values())
        if rest >= 0.005:
            steps["rest"] = rest
        inside = ", ".join(f"{name} {seconds:.2f}" for name, seconds in answer.inside.items())
        said = ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps.items())
        version = self._numbers.get(self.current or "", 0)
        label = f"edit {version}" if version else "as it was"
        self._say(
            f"{label}: answered in {total:.2f} s ({said})" + (f"; its worker: {inside}" if inside else "")
        )
        self._answer(json.dumps(answer.output, ensure_ascii=False))


class Laps:
    """Seconds since `began`, by step: each step ends when it is named."""

    def __init__(self, began: float, now: Callable[[], float]) -> None:
        self.began = self._last = began
        self.taken: dict[str, float] = {}
        self._now = now

    def __call__(self, step: str) -> None:
        last, self._last = self._last, self._now()
        self.taken[step] = max(0.0, self._last - last)


def _saved_at(changed: list[Path], now: float) -> float:
    """When the newest of the files was written, as far as their times tell it."""
    times = [now]
    for path in changed:
        try:
            saved = path.stat().st_mtime
        except OSError:
            continue
        if now - _FRESH_S <= saved <= now:
            times.append(saved)
    return max(times[1:], default=now)


def _reason(what: str) -> str:
    """The handler's own words."""
    return what.removeprefix("the job ended as FAILED: ").removeprefix("the handler failed: ")


async def _done(task: "asyncio.Future[Any]") -> None:
    await asyncio.wait({task})


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
