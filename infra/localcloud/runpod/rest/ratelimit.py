"""RunPod's quotas per key: three windows at once, told in the RateLimit headers of every answer."""

import math
from dataclasses import dataclass

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.settings import Settings
from infra.localcloud.runpod.rest.problems import Problem

WINDOWS_S = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass
class _Window:
    ends_at: float = 0.0
    used: int = 0


class RateLimiter:
    """A window begins with the first request after the one before has run out. A refused request is not counted."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._windows = {name: _Window() for name in WINDOWS_S}

    def take(self) -> dict[str, str]:
        """Count one request: the headers of its answer, none where limits are off. Raises Problem 429."""
        if not self._settings.rate_limit:
            return {}
        now = self._clock.monotonic()
        for name, window in self._windows.items():
            if now >= window.ends_at:
                window.ends_at, window.used = now + WINDOWS_S[name], 0
        for name, window in self._windows.items():
            if window.used >= self._quota(name):
                wait = math.ceil(window.ends_at - now)
                raise Problem(
                    429,
                    f"rate limit exceeded for the {name} window",
                    headers={"Retry-After": str(wait), **self._headers(now)},
                )
        for window in self._windows.values():
            window.used += 1
        return self._headers(now)

    def _headers(self, now: float) -> dict[str, str]:
        policy = [f'"{name}";q={self._quota(name)};w={seconds}' for name, seconds in WINDOWS_S.items()]
        state = [
            f'"{name}";r={max(0, self._quota(name) - window.used)};t={math.ceil(window.ends_at - now)}'
            for name, window in self._windows.items()
        ]
        return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(state)}

    def _quota(self, name: str) -> int:
        return int(getattr(self._settings.rate_limits, name))
