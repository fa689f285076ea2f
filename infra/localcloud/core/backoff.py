"""How long to wait before the next start after workers that failed in a row."""

from collections.abc import Callable

from infra.localcloud.core.timers import Timer, Timers

FIRST_S, MAX_S = 0.5, 60.0


class Backoff:
    """`failures` in a row; while `waiting`, nothing is started; `over` is called when the wait is."""

    def __init__(self, timers: Timers, over: Callable[[], None]) -> None:
        self.failures = 0
        self._timers, self._over = timers, over
        self._timer: Timer | None = None

    @property
    def waiting(self) -> bool:
        return self._timer is not None and self._timer.pending

    def strike(self, *, first_is_free: bool = False) -> None:
        """One more: 0.5 s, 1 s, 2 s … up to a minute."""
        self.failures += 1
        if first_is_free and self.failures == 1:
            return
        self._cancel()
        self._timer = self._timers.after(min(MAX_S, FIRST_S * 2 ** min(self.failures - 1, 10)), self._over)

    def calm(self) -> None:
        """Something worked."""
        self.failures = 0
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
