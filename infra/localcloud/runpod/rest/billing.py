"""Handlers of /v2/billing: what the meter counted, cut into buckets of time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.times import timestamp

_SIZES = ("hour", "day", "week", "month", "year")
_MODAL = "fu-"  # the meter counts for both clouds, and each bills its own
_OTHER_AMOUNTS = (
    *("podGpuAmount", "podCpuAmount", "podDiskAmount", "serverlessDiskAmount", "serverlessFeeAmount"),
    *("storageStandardAmount", "storageHighPerformanceAmount", "endpointAmount"),
    *("clusterGpuAmount", "clusterDiskAmount", "clusterNetworkingAmount"),
)


@dataclass
class _Amount:
    gpu: Decimal = Decimal(0)
    cpu: Decimal = Decimal(0)

    def __add__(self, other: "_Amount") -> "_Amount":
        return _Amount(self.gpu + other.gpu, self.cpu + other.cpu)


@dataclass(frozen=True)
class _Window:
    start: float
    end: float
    size: str

    def query(self) -> dict[str, Any]:
        return {"startTime": timestamp(self.start), "endTime": timestamp(self.end), "bucketSize": self.size}


class BillingHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service

    async def serverless(self, request: web.Request) -> web.Response:
        """One record per endpoint and bucket in which it cost something, deleted endpoints included."""
        window = self._window(request)
        only = request.query.get("serverlessId")
        amounts = self._amounts(window, only)
        records = [
            _span(start, window.size) | {"serverlessId": endpoint_id} | _serverless(amount)
            for (start, endpoint_id), amount in sorted(amounts.items())
        ]
        metadata = {
            "query": window.query() | {"serverlessId": only},
            "recordCount": len(records),
            "uniqueServerlessCount": len({endpoint_id for _, endpoint_id in amounts}),
            "totals": _serverless(sum(amounts.values(), _Amount())),
        }
        return web.json_response({"records": records, "metadata": metadata})

    async def everything(self, request: web.Request) -> web.Response:
        """One record per bucket in which anything cost something; the local cloud bills serverless only."""
        window = self._window(request)
        by_bucket: defaultdict[float, _Amount] = defaultdict(_Amount)
        for (start, _), amount in self._amounts(window, None).items():
            by_bucket[start] += amount
        records = [_span(start, window.size) | _all(amount) for start, amount in sorted(by_bucket.items())]
        metadata = {
            "query": window.query(),
            "recordCount": len(records),
            "totals": _all(sum(by_bucket.values(), _Amount())),
        }
        return web.json_response({"records": records, "metadata": metadata})

    def _amounts(self, window: _Window, only: str | None) -> dict[tuple[float, str], _Amount]:
        amounts: defaultdict[tuple[float, str], _Amount] = defaultdict(_Amount)
        for run in self._service.meter.runs(window.start, window.end):
            if run.endpoint_id.startswith(_MODAL) or (only is not None and run.endpoint_id != only):
                continue
            start = max(run.started_at, window.start)
            end = min(run.started_at + run.seconds, window.end)
            while start < end:
                bucket = _bucket(start, window.size)
                bucket_end = _shift(bucket, window.size, 1).timestamp()
                usd = run.usd_between(start, min(end, bucket_end))
                amounts[bucket.timestamp(), run.endpoint_id] += (
                    _Amount(gpu=usd) if run.on_gpu else _Amount(cpu=usd)
                )
                start = bucket_end
        return amounts

    def _window(self, request: web.Request) -> _Window:
        size = query.one(request, "bucketSize", _SIZES) or "day"
        last = query.whole(request, "lastN", 1)
        start, end = query.moment(request, "startTime"), query.moment(request, "endTime")
        now = self._service.clock.now()
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
        return _Window(first.timestamp(), until.timestamp(), size)


def _bucket(seconds: float, size: str) -> datetime:
    """The start of the bucket (UTC; weeks begin on Monday) that holds a moment."""
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


def _span(start: float, size: str) -> dict[str, Any]:
    end = _shift(datetime.fromtimestamp(start, UTC), size, 1).timestamp()
    return {"startTime": timestamp(start), "endTime": timestamp(end)}


def _serverless(amount: _Amount) -> dict[str, float]:
    return {
        "totalAmount": float(amount.gpu + amount.cpu),
        "gpuAmount": float(amount.gpu),
        "cpuAmount": float(amount.cpu),
        "diskAmount": 0.0,
        "feeAmount": 0.0,
    }


def _all(amount: _Amount) -> dict[str, float]:
    return {
        "totalAmount": float(amount.gpu + amount.cpu),
        "serverlessGpuAmount": float(amount.gpu),
        "serverlessCpuAmount": float(amount.cpu),
        **dict.fromkeys(_OTHER_AMOUNTS, 0.0),
    }
