"""Requests that wait for something to happen to a job or call."""

import asyncio

from infra.localcloud.core.timers import Timers


class Waiters:
    """By job id. True while anybody waits."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, job_id: str, seconds: float) -> None:
        """Until `wake`, at most so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._timers.after(seconds, lambda: _release(future))
        self._waiting.setdefault(job_id, set()).add(future)
        try:
            await future
        finally:
            timer.cancel()
            futures = self._waiting.get(job_id, set())
            futures.discard(future)
            if not futures:
                self._waiting.pop(job_id, None)

    def wake(self, job_id: str) -> None:
        for future in self._waiting.pop(job_id, ()):
            _release(future)

    def wake_all(self) -> None:
        for job_id in list(self._waiting):
            self.wake(job_id)


def _release(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
