"""What apps have cost, from the meter: by day or hour, by resource, by month. All times are UTC."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra import catalog
from infra.localcloud.core.meter import Run
from infra.localcloud.modal.containers.metering import of_modal, usd_per_second
from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.model import AppRecord
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

STEPS_S = {"d": 86_400, "h": 3_600}
MOST_STEPS = 24 * 366
CENT_FRACTION = Decimal("0.00000001")

Costs = dict[str, Decimal]  # USD by resource


@dataclass
class Item:
    """What one app cost in one interval."""

    app: AppRecord
    start: float
    costs: Costs = field(default_factory=lambda: defaultdict(Decimal))


def rpcs(world: World) -> Rpcs:
    async def report(
        request: api_pb2.WorkspaceBillingReportRequest, call: Call
    ) -> AsyncIterator[api_pb2.WorkspaceBillingReportItem]:
        """Whole intervals: the first one in full, one that goes on at the end not at all."""
        step = STEPS_S.get(request.resolution or "d")
        if step is None:
            raise invalid(f"A billing report is by day ('d') or hour ('h'), not {request.resolution!r}")
        start = request.start_timestamp.seconds // step * step
        end = (request.end_timestamp.seconds or int(world.clock.now())) // step * step
        if (end - start) // step > MOST_STEPS:
            raise invalid(f"A billing report has {MOST_STEPS} intervals at most: ask for a shorter time")
        names = {_environment(world, wanted) for wanted in request.environment_ids}
        for item in _items(world, start, end, step):
            if names and item.app.environment not in names:
                continue
            if request.app_ids and item.app.app_id not in request.app_ids:
                continue
            yield _row(item, request.tag_names)

    async def summary(
        request: api_pb2.WorkspaceBillingSummaryRequest, call: Call
    ) -> api_pb2.WorkspaceBillingSummaryResponse:
        start, end = _month(request.start_timestamp, world.clock.now())
        costs = _total(_items(world, start, end, end - start))
        cost = _text(sum(costs.values(), Decimal(0)))
        return api_pb2.WorkspaceBillingSummaryResponse(
            start_timestamp=Timestamp(seconds=start),
            end_timestamp=Timestamp(seconds=end),
            metered_cost=cost,
            billed_cost=cost,
            metered_cost_breakdown=_texts(costs),
        )

    async def environment_summary(
        request: api_pb2.EnvironmentBillingSummaryRequest, call: Call
    ) -> api_pb2.EnvironmentBillingSummaryResponse:
        name = _environment(world, request.environment_id)
        start, end = _month(request.start_timestamp, world.clock.now())
        items = _items(world, start, end, end - start)
        costs = _total(item for item in items if item.app.environment == name)
        return api_pb2.EnvironmentBillingSummaryResponse(
            start_timestamp=Timestamp(seconds=start),
            end_timestamp=Timestamp(seconds=end),
            metered_cost=_text(sum(costs.values(), Decimal(0))),
            metered_cost_breakdown=_texts(costs),
        )

    async def rates(
        request: api_pb2.WorkspaceBillingRatesRequest, call: Call
    ) -> api_pb2.WorkspaceBillingRatesResponse:
        known = {name: f"{usd.normalize():f}" for name, usd in _rates().items()}
        lines = [f"{name:<24} ${usd} / hour" for name, usd in known.items()]
        return api_pb2.WorkspaceBillingRatesResponse(rates=known, formatted="\n".join(lines))

    return {
        "WorkspaceBillingReport": report,
        "WorkspaceBillingSummary": summary,
        "EnvironmentBillingSummary": environment_summary,
        "WorkspaceBillingRates": rates,
    }


def _items(world: World, start: int, end: int, step: int) -> list[Item]:
    """What cost anything, by time and then by app."""
    items: dict[tuple[int, str], Item] = {}
    for run in world.meter.runs(start, end):
        function = world.functions.get(run.endpoint_id)
        app = world.apps.get(function.app_id) if function else None
        if app is None or not of_modal(run.gpu_type_id):
            continue
        for first in _steps(run, start, end, step):
            item = items.setdefault((first, app.app_id), Item(app, first))
            seconds = run.seconds_between(first, first + step)
            for resource, price in usd_per_second(str(run.gpu_type_id), run.gpu_count).items():
                item.costs[resource] += seconds * price
    return [items[key] for key in sorted(items)]


def _steps(run: Run, start: int, end: int, step: int) -> Iterator[int]:
    first = start + max(0, int(run.started_at - start) // step * step)
    for at in range(first, min(end, int(run.started_at + run.seconds) + 1), step):
        if run.seconds_between(at, at + step):
            yield at


def _row(item: Item, tag_names: Iterable[str]) -> api_pb2.WorkspaceBillingReportItem:
    wanted = set(tag_names)
    tags = {name: value for name, value in item.app.tags.items() if name in wanted or "*" in wanted}
    return api_pb2.WorkspaceBillingReportItem(
        object_id=item.app.app_id,
        description=item.app.name or item.app.description,
        environment_name=item.app.environment,
        interval=Timestamp(seconds=int(item.start)),
        cost=_text(sum(item.costs.values(), Decimal(0))),
        cost_by_resource=_texts(item.costs),
        tags=tags,
    )


def _total(items: Iterable[Item]) -> Costs:
    costs: Costs = defaultdict(Decimal)
    for item in items:
        for resource, usd in item.costs.items():
            costs[resource] += usd
    return costs


def _month(wanted: Timestamp, now: float) -> tuple[int, int]:
    """The calendar month that begins at this time, or the one that is now."""
    first = datetime.fromtimestamp(wanted.seconds or now, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    year, month = divmod(first.year * 12 + first.month, 12)
    return int(first.timestamp()), int(first.replace(year=year, month=month + 1).timestamp())


def _environment(world: World, environment_id: str) -> str:
    record = world.environments.get(environment_id)
    if record is None:
        raise not_found(f"Environment '{environment_id}' not found")
    return record.name


def _rates() -> Costs:
    """USD per hour, of the catalog's price book."""
    facts = catalog.load()
    prices = facts.prices()
    gpus = {
        f"GPU {facts.gpu(name).modal_id or name}": prices.usd_per_gpu_hour("modal", name)
        for name in prices.gpus("modal")
    }
    return {
        "CPU core": prices.usd_per_core_hour("modal"),
        "Memory GiB": prices.usd_per_gib_hour("modal"),
        **gpus,
    }


def _texts(costs: Costs) -> dict[str, str]:
    return {resource: _text(usd) for resource, usd in costs.items()}


def _text(usd: Decimal) -> str:
    return f"{usd.quantize(CENT_FRACTION):f}"
