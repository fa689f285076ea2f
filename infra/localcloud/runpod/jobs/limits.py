"""Rate limits of the job API: requests per operation and endpoint in ten seconds."""

from collections.abc import Callable

from infra.localcloud.core.clock import Clock

WINDOW_S = 10.0
# operation: (base, more per ready worker). Bases from RunPod's documentation of 2026-08; what a worker adds is not
# published, so a worker here adds a tenth of the base.
LIMITS = {"runsync": 2000, "run": 1000, "status": 2000, "status-sync": 2000, "stream": 2000}
LIMITS |= {"cancel": 100, "purge-queue": 2, "requests": 10, "openai": 2000}


class RateLimits:
    def __init__(self, clock: Clock, enabled: Callable[[], bool]) -> None:
        self._clock, self._enabled = clock, enabled
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def admit(self, endpoint_id: str, operation: str, workers: int) -> float:
        """0.0 when the request may pass, else the seconds until it may be sent again."""
        base = LIMITS.get(operation)
        if base is None or not self._enabled():
            return 0.0
        now = self._clock.monotonic()
        began, count = self._windows.get((endpoint_id, operation), (now, 0))
        if now - began >= WINDOW_S:
            began, count = now, 0
        if count >= max(base, base // 10 * workers):
            return began + WINDOW_S - now
        self._windows[endpoint_id, operation] = began, count + 1
        return 0.0
