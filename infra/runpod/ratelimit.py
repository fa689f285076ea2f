"""RunPod's quota as its headers tell it, kept for the whole process, so that a big refresh waits instead of failing.

`RateLimit-Policy: "minute";q=60;w=60, "hour";q=3000;w=3600` gives each window's quota and length,
`RateLimit: "minute";r=12;t=31, …` what remains and the seconds until it resets. Both are absent for exempt callers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MEMBER = re.compile(r'"?([\w-]+)"?((?:\s*;\s*\w+=\d+)+)')
_PARAMETER = re.compile(r"(\w+)=(\d+)")
_LONGEST_WINDOW_S = 86_400


@dataclass
class _Window:
    remaining: int
    resets_at: float
    quota: int | None = None
    length_s: float | None = None


class RateBudget:
    """How long to wait before the next request. Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}
        self._held_until = 0.0
        self._in_flight = 0

    def delay(self, now: float) -> float:
        """Seconds until a request may go out; 0 = now. Asking does not take anything."""
        waits = [self._held_until - now]
        for window in self._windows.values():
            if now >= window.resets_at and window.quota and window.length_s:
                window.remaining = window.quota
                window.resets_at = now + window.length_s
            if window.remaining <= 0:
                waits.append(window.resets_at - now)
        return max(0.0, *waits)

    def take(self) -> None:
        """A request goes out."""
        self._in_flight += 1
        for window in self._windows.values():
            window.remaining -= 1

    def done(self, headers: Mapping[str, str] | None, now: float) -> None:
        """A request has come back (`headers`) or is lost (None)."""
        self._in_flight = max(0, self._in_flight - 1)
        if headers is None:
            return
        policies = parse(headers.get("RateLimit-Policy", ""))
        for name, state in parse(headers.get("RateLimit", "")).items():
            if "r" not in state or "t" not in state:
                continue
            policy = policies.get(name, {})
            # What the server has not seen yet is not in its count.
            remaining = state["r"] - self._in_flight
            quota, length = policy.get("q"), policy.get("w")
            self._windows[name] = _Window(remaining, now + min(state["t"], _LONGEST_WINDOW_S), quota, length)

    def refused(self, headers: Mapping[str, str], now: float, fallback_s: float) -> float:
        """A 429 came: hold every request until it says, and give the seconds. `fallback_s` when it does not say."""
        seconds = retry_after(headers)
        if seconds is None:
            exhausted = [
                s["t"] for s in parse(headers.get("RateLimit", "")).values() if s.get("r") == 0 and "t" in s
            ]
            seconds = max(exhausted, default=None)
        if seconds is None:
            seconds = fallback_s
        self._held_until = max(self._held_until, now + seconds)
        return seconds


def parse(header: str) -> dict[str, dict[str, int]]:
    """`"minute";r=0;t=12, "hour";…` -> {"minute": {"r": 0, "t": 12}, …}; what cannot be read is left out."""
    return {
        name: {key: int(value) for key, value in _PARAMETER.findall(parameters)}
        for name, parameters in _MEMBER.findall(header)
    }


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; None when absent or a date (RunPod sends seconds)."""
    value = headers.get("Retry-After", "").strip()
    return float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else None
