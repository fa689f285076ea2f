"""Many deadlines on one injected clock: the fleet keeps one task for all of them and nothing polls."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from infra.localcloud.core.clock import Clock


class Timer:
    """A call that is due at `due` (monotonic seconds). `cancel` is cheap and may be repeated."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    @property
    def pending(self) -> bool:
        return self.call is not None


class Timers:
    """`after(seconds, call)` runs `call` once on the event loop. An exception of a call goes to the loop's handler."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._nap_until = 0.0

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(self._clock.monotonic() + max(0.0, seconds), call)
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        if len(self._heap) > 256 and len(self._heap) % 256 == 0:
            self._drop_cancelled()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._nap is not None and timer.due < self._nap_until and not self._nap.done():
            self._nap.cancel()
        return timer

    def close(self) -> None:
        self._heap.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._heap:
                due, _, timer = self._heap[0]
                if not timer.pending:
                    heapq.heappop(self._heap)
                elif due <= self._clock.monotonic():
                    heapq.heappop(self._heap)
                    _fire(timer)
                else:
                    await self._sleep_until(due)
        finally:
            self._task = None

    async def _sleep_until(self, due: float) -> None:
        self._nap_until = due
        self._nap = asyncio.ensure_future(self._clock.sleep(due - self._clock.monotonic()))
        try:
            await asyncio.wait((self._nap,))
        finally:
            self._nap.cancel()
            self._nap = None

    def _drop_cancelled(self) -> None:
        live = [entry for entry in self._heap if entry[2].pending]
        if len(live) < len(self._heap) // 2:
            heapq.heapify(live)
            self._heap = live


def _fire(timer: Timer) -> None:
    call, timer.call = timer.call, None
    if call is None:
        return
    try:
        call()
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a timer of the local cloud failed", "exception": error}
        )
