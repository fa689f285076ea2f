"""Handlers of /v2/billing: what was used, cut into buckets of time and priced."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from aiohttp import web

from infra.localcloud.runpod.rest.buckets import Window, read_window
from infra.localcloud.runpod.rest.service import RestService

_MODAL = "fu-"  # the meter counts for both clouds, and each bills its own
_ALL = (
    *("podGpuAmount", "podCpuAmount", "podDiskAmount"),
    *("serverlessGpuAmount", "serverlessCpuAmount", "serverlessDiskAmount", "serverlessFeeAmount"),
    *("storageStandardAmount", "storageHighPerformanceAmount", "endpointAmount"),
    *("clusterGpuAmount", "clusterDiskAmount", "clusterNetworkingAmount"),
)

# One kind of resource: its components on the wire -> the field of the total bill that each goes to.
_SERVERLESS = {
    "gpuAmount": "serverlessGpuAmount",
    "cpuAmount": "serverlessCpuAmount",
    "diskAmount": "serverlessDiskAmount",
    "feeAmount": "serverlessFeeAmount",
}
_PODS = {"gpuAmount": "podGpuAmount", "cpuAmount": "podCpuAmount", "diskAmount": "podDiskAmount"}
_VOLUMES = {
    "standardAmount": "storageStandardAmount",
    "highPerformanceAmount": "storageHighPerformanceAmount",
}
_CLUSTERS = {
    "gpuAmount": "clusterGpuAmount",
    "diskAmount": "clusterDiskAmount",
    "networkingAmount": "clusterNetworkingAmount",
}

# (start, end) -> (id, start, end, {component: USD per second}) of everything that cost something between
Costs = Callable[[float, float], Iterator[tuple[str, float, float, dict[str, Decimal]]]]
# (bucket's start, id) -> component -> USD
Amounts = dict[tuple[float, str], dict[str, Decimal]]


class BillingHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service

    async def serverless(self, request: web.Request) -> web.Response:
        """One record per endpoint and bucket in which it cost something, deleted endpoints included."""
        return self._listed(
            request, self._endpoint_costs, _SERVERLESS, "serverlessId", "uniqueServerlessCount"
        )

    async def pods(self, request: web.Request) -> web.Response:
        return self._listed(request, self._ledger("pod"), _PODS, "podId", "uniquePodCount")

    async def volumes(self, request: web.Request) -> web.Response:
        return self._listed(
            request, self._ledger("volume"), _VOLUMES, "networkVolumeId", "uniqueNetworkVolumeCount"
        )

    async def clusters(self, request: web.Request) -> web.Response:
        return self._listed(request, self._ledger("cluster"), _CLUSTERS, "clusterId", "uniqueClusterCount")

    async def endpoints(self, request: web.Request) -> web.Response:
        """RunPod's public endpoints (not serverless), of which there are none here."""
        window = read_window(request, self._service.clock.now())
        metadata = {"query": window.query(), "recordCount": 0, "totals": {"totalAmount": 0.0}}
        return web.json_response({"records": [], "metadata": metadata})

    async def everything(self, request: web.Request) -> web.Response:
        """One record per bucket in which anything cost something."""
        window = read_window(request, self._service.clock.now())
        by_bucket: defaultdict[float, dict[str, Decimal]] = defaultdict(dict)
        kinds: tuple[tuple[Costs, dict[str, str]], ...] = (
            (self._endpoint_costs, _SERVERLESS),
            (self._ledger("pod"), _PODS),
            (self._ledger("volume"), _VOLUMES),
            (self._ledger("cluster"), _CLUSTERS),
        )
        for costs, fields in kinds:
            for (start, _), parts in _amounts(costs, window, None).items():
                _add(by_bucket[start], {fields[name]: usd for name, usd in parts.items()})
        totals: dict[str, Decimal] = {}
        for parts in by_bucket.values():
            _add(totals, parts)
        records = [
            window.span(start) | _priced(parts, list(_ALL)) for start, parts in sorted(by_bucket.items())
        ]
        metadata = {
            "query": window.query(),
            "recordCount": len(records),
            "totals": _priced(totals, list(_ALL)),
        }
        return web.json_response({"records": records, "metadata": metadata})

    def _listed(
        self, request: web.Request, costs: Costs, fields: dict[str, str], id_field: str, count_field: str
    ) -> web.Response:
        window = read_window(request, self._service.clock.now())
        only = request.query.get(id_field)
        amounts = _amounts(costs, window, only)
        totals: dict[str, Decimal] = {}
        for parts in amounts.values():
            _add(totals, parts)
        names = list(fields)
        records = [
            window.span(start) | {id_field: id} | _priced(parts, names)
            for (start, id), parts in sorted(amounts.items())
        ]
        metadata = {
            "query": window.query() | {id_field: only},
            "recordCount": len(records),
            count_field: len({id for _, id in amounts}),
            "totals": _priced(totals, names),
        }
        return web.json_response({"records": records, "metadata": metadata})

    def _endpoint_costs(
        self, start: float, end: float
    ) -> Iterator[tuple[str, float, float, dict[str, Decimal]]]:
        for run in self._service.meter.runs(start, end):
            if not run.endpoint_id.startswith(_MODAL):
                name = "gpuAmount" if run.on_gpu else "cpuAmount"
                ended_at = run.started_at + run.seconds
                yield run.endpoint_id, run.started_at, ended_at, {name: run.usd_per_second}

    def _ledger(self, kind: str) -> Costs:
        def costs(start: float, end: float) -> Iterator[tuple[str, float, float, dict[str, Decimal]]]:
            for span in self._service.ledger.spans(kind, start, end):
                yield (
                    span.id,
                    span.start,
                    span.end,
                    {f"{name}Amount": rate for name, rate in span.rates.items()},
                )

        return costs


def _amounts(costs: Costs, window: Window, only: str | None) -> Amounts:
    amounts: defaultdict[tuple[float, str], dict[str, Decimal]] = defaultdict(dict)
    for id, started_at, ended_at, rates in costs(window.start, window.end):
        if only is not None and id != only:
            continue
        for bucket, seconds in window.cut(started_at, ended_at):
            _add(amounts[bucket, id], {name: rate * seconds for name, rate in rates.items()})
    return amounts


def _add(to: dict[str, Decimal], parts: dict[str, Decimal]) -> None:
    for name, usd in parts.items():
        to[name] = to.get(name, Decimal(0)) + usd


def _priced(parts: dict[str, Decimal], names: list[str]) -> dict[str, float]:
    total = sum(parts.values(), Decimal(0))
    return {"totalAmount": float(total)} | {name: float(parts.get(name, 0)) for name in names}
