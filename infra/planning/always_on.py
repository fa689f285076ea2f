"""Machines that are on for good, beside serverless: pods, and the machine of a traditional cloud."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from infra.catalog import Catalog, PriceBook, PriceMissing
from infra.planning.breaches import breaches_of
from infra.planning.cost import HOURS_PER_MONTH
from infra.planning.evaluate import cents
from infra.planning.money import machine_usd_per_hour
from infra.planning.plan import ColdStart, Cost, EndpointPlan, Spread
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.run import Boot, Policy
from infra.planning.scoring import Behaviour, Behaviours
from infra.planning.simulate import simulate
from infra.planning.space import Place
from infra.planning.vram import vram_fit
from infra.spec.scaling import Workers

_KINDS = (("runpod", "pod_secure"), ("traditional", "vm"))
_MOST = 8


def machines(
    request: PlanRequest, profile: TrafficProfile, behaviours: Behaviours, catalog: Catalog, book: PriceBook
) -> tuple[EndpointPlan, ...]:
    """The cheapest of each kind that keeps up with the requests and meets the SLO; to compare against, nothing
    deploys an endpoint there."""
    found = []
    for cloud, kind in _KINDS:
        plans = [
            plan
            for gpu in _classes(request, catalog)
            if (plan := _machine(request, cloud, kind, gpu, profile, behaviours, catalog, book)) is not None
        ]
        if plans:
            found.append(min(plans, key=lambda plan: (plan.cost.floor, plan.gpu or "")))
    return tuple(found)


def _classes(request: PlanRequest, catalog: Catalog) -> Iterator[str]:
    if request.gpu == "auto":
        yield from catalog.gpus
    elif request.gpu:
        yield from (catalog.gpu(name).name for name in request.gpu)


def _machine(
    request: PlanRequest,
    cloud: str,
    kind: str,
    gpu: str,
    profile: TrafficProfile,
    behaviours: Behaviours,
    catalog: Catalog,
    book: PriceBook,
) -> EndpointPlan | None:
    try:
        hourly = machine_usd_per_hour(cloud, gpu, kind, catalog, book, count=request.gpu_count)
    except PriceMissing:
        return None
    fit = vram_fit(request, catalog.gpu(gpu))
    if fit is not None and not fit.fits:
        return None
    place = Place("runpod", (gpu,), request.gpu_count, float(hourly), _MOST)
    behaviour = behaviours.of(place, cold=False)
    if isinstance(behaviour, str):
        return None
    none = ColdStart(0.0, 0.0, ())
    plan = EndpointPlan(
        name=request.name,
        cloud=cloud,
        kind=kind,
        gpu=gpu,
        gpu_count=request.gpu_count,
        workers=Workers(min=1, max=1),
        idle_timeout_s=0,
        scaler=None,
        fast_boot=False,
        usd_per_worker_hour=hourly,
        price_book=book.name,
        cost=Cost(cents(hourly * HOURS_PER_MONTH), cents(hourly * HOURS_PER_MONTH)),
        cold_start=none,
        cold_start_worst=none,
        basis=profile.basis,
        cold_share=0.0,
        cold_share_worst=0.0,
        vram=fit,
    )
    for count in range(1, _MOST + 1):
        if behaviour.workload.work_share >= 0.98 * count:
            continue
        cost = cents(hourly * HOURS_PER_MONTH * count)
        sized = replace(
            plan,
            workers=Workers(min=count, max=count),
            cost=Cost(cost, cost, cost, cost, cost),
            waits=_waits(behaviour, count, 1.0),
            waits_worst=_waits(behaviour, count, behaviour.workload.profile.interval[1]),
            utilisation=behaviour.workload.work_share / count,
            notes=("always on: nothing scales it, updates it or restarts it",),
        )
        if not breaches_of(sized, replace(request, budget=None)):
            return sized
    return None


def _waits(behaviour: Behaviour, count: int, volume: float) -> Spread:
    profile = behaviour.workload.profile.scaled(volume)
    policy = Policy(
        minimum=count,
        maximum=count,
        idle_timeout_s=inf,
        concurrency=behaviour.workload.concurrency,
        rates=behaviour.workload.rates,
        whole_seconds=False,
    )
    outcome = simulate(profile.arrivals, behaviour.workload.services, policy, [Boot(0.0)], profile.horizon_s)
    return Spread(*(round(seconds, 3) for seconds in outcome.wait(0.5, 0.95, 0.99)))
