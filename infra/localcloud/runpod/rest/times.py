"""RFC 3339 in UTC, as RunPod writes it."""

import math
from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Whole seconds: 2026-06-01T12:00:00Z."""
    return _zulu(datetime.fromtimestamp(math.floor(seconds), UTC), "seconds")


def fine_timestamp(seconds: float) -> str:
    """Microseconds, rounded down so that nothing at that moment lies before it."""
    micros = math.floor(seconds * 1_000_000)
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return _zulu(moment, "microseconds")


def parse_timestamp(text: str) -> float:
    """Seconds since the epoch. ValueError for what is not RFC 3339 or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"{text!r} is not an RFC 3339 timestamp")
    return moment.timestamp()


def _zulu(moment: datetime, precision: str) -> str:
    """strftime would write the year 878 with three digits."""
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
