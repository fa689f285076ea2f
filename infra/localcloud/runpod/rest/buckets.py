"""The window of time that a bill is for, and its buckets: hours, days, weeks from Monday, months and years, in UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.times import timestamp

_SIZES = ("hour", "day", "week", "month", "year")


@dataclass(frozen=True)
class Window:
    start: float
    end: float
    size: str

    def query(self) -> dict[str, Any]:
        return {"startTime": timestamp(self.start), "endTime": timestamp(self.end), "bucketSize": self.size}

    def cut(self, start: float, end: float) -> Iterator[tuple[float, Decimal]]:
        """The buckets that a span lies in, and its seconds in each."""
        start, end = max(start, self.start), min(end, self.end)
        while start < end:
            bucket = _bucket(start, self.size)
            bucket_end = _shift(bucket, self.size, 1).timestamp()
            yield bucket.timestamp(), Decimal(str(round(min(end, bucket_end) - start, 3)))
            start = bucket_end

    def span(self, start: float) -> dict[str, Any]:
        """The times of the bucket that starts there, for a record."""
        end = _shift(datetime.fromtimestamp(start, UTC), self.size, 1).timestamp()
        return {"startTime": timestamp(start), "endTime": timestamp(end)}


def read_window(request: web.Request, now: float) -> Window:
    """Raises Problem 400, 422. The last 30 days where the request says nothing."""
    size = query.one(request, "bucketSize", _SIZES) or "day"
    last = query.whole(request, "lastN", 1)
    start, end = query.moment(request, "startTime"), query.moment(request, "endTime")
    if last is not None and (start is not None or end is not None):
        raise bad_request("lastN and startTime/endTime are mutually exclusive")
    try:
        if last is not None:
            current = _bucket(now, size)
            first, until = _shift(current, size, 1 - last), _shift(current, size, 1)
        else:
            end = now if end is None else end
            first = _bucket(now - 30 * 86400 if start is None else start, size)
            until = _bucket(end, size)
            if until.timestamp() < end:
                until = _shift(until, size, 1)
    except (OverflowError, ValueError) as error:
        raise bad_request("the billing window is out of range") from error
    if first >= until:
        raise bad_request("startTime must be before endTime")
    return Window(first.timestamp(), until.timestamp(), size)


def _bucket(seconds: float, size: str) -> datetime:
    """The start of the bucket that holds a moment."""
    hour = datetime.fromtimestamp(seconds, UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts = {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    return starts[size]


def _shift(bucket: datetime, size: str, by: int) -> datetime:
    if size in ("hour", "day", "week"):
        return bucket + by * timedelta(**{f"{size}s": 1})
    months = bucket.year * 12 + bucket.month - 1 + by * (12 if size == "year" else 1)
    return bucket.replace(year=months // 12, month=months % 12 + 1)
