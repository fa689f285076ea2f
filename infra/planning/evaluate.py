"""The plan of one placed endpoint."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning.breaches import breaches_of
from infra.planning.cold_start import Phases, phases_of
from infra.planning.cost import HOURS_PER_MONTH
from infra.planning.money import usd_per_worker_hour
from infra.planning.plan import Cost, EndpointPlan, Spread
from infra.planning.policies import idle_timeout_of, policy_of
from infra.planning.profile import DAY_S, TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.run import Outcome, Policy
from infra.planning.simulate import simulate
from infra.planning.synthetic import profile_of
from infra.planning.vram import vram_fit
from infra.planning.workload import Workload, workload_of
from infra.spec.errors import PilotlightError
from infra.spec.scaling import Workers

PREVIEW_REQUESTS = 4_000
FULL_REQUESTS = 40_000
_CENT = Decimal("0.01")


class NotPlaced(PilotlightError):
    """The request leaves open where the endpoint runs: `search` places it."""


def evaluate(
    request: PlanRequest,
    catalog: Catalog,
    book: PriceBook,
    *,
    root: Path | None = None,
    effort: int = PREVIEW_REQUESTS,
    profile: TrafficProfile | None = None,
) -> EndpointPlan:
    """Cost, waits and cold starts of a placed request. `root`: the folder that traces are relative to. `effort`: how
    many requests to simulate at the most. `profile`: traffic that is already at hand, in place of the request's.

    Raises `PriceMissing` for what has no price, `UnknownGpu`, `TraceError` for a trace that cannot be read, `NotPlaced`.
    Lack of traffic or sizes is no error, see `EndpointPlan.missing`.
    """
    cloud, gpus, workers = _placed(request)
    names = [catalog.gpu(name).name for name in gpus]
    worst_gpu = min(names, key=lambda name: _bandwidth(name, catalog), default=None)
    hourly = usd_per_worker_hour(
        cloud,
        names,
        catalog,
        book,
        count=request.gpu_count,
        vcpu=request.vcpu,
        memory_gib=request.memory_gib,
        regions=request.regions,
    )
    month = hourly * HOURS_PER_MONTH
    phases = phases_of(request, cloud, worst_gpu, catalog)
    fits = [fit for name in names if (fit := vram_fit(request, catalog.gpu(name))) is not None]
    plan = EndpointPlan(
        name=request.name,
        cloud=cloud,
        kind="serverless",
        gpu=", ".join(names) or None,
        gpu_count=request.gpu_count,
        workers=workers,
        idle_timeout_s=idle_timeout_of(cloud, request.idle_timeout_s, request.scaler, catalog),
        scaler=None if cloud == "modal" else request.scaler,
        fast_boot=request.fast_boot,
        usd_per_worker_hour=hourly,
        price_book=book.name,
        cost=Cost(floor=cents(month * workers.min), ceiling=cents(month * workers.max)),
        cold_start=phases.cold_start(worst=False),
        cold_start_worst=phases.cold_start(worst=True),
        vram=min(fits, key=lambda fit: fit.usable_gb - fit.needed_gb, default=None),
        notes=phases.notes,
        missing=(*phases.missing, *(path for path in request.unknown if not path.startswith("sizes"))),
    )
    if profile is None and request.traffic is not None:
        profile = profile_of(request.traffic, root, effort)
    plan = _with_traffic(plan, request, profile, phases, worst_gpu, catalog)
    return replace(plan, breaches=breaches_of(plan, request))


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def usd_per_month(outcome_s: float, horizon_s: float, usd_per_hour: Decimal) -> Decimal:
    """What worker-seconds of a horizon cost in a month of 730 hours."""
    return cents(Decimal(repr(outcome_s / horizon_s)) * usd_per_hour * HOURS_PER_MONTH)


def _placed(request: PlanRequest) -> tuple[str, tuple[str, ...], Workers]:
    if request.cloud == "auto" or request.gpu == "auto" or request.workers == "auto":
        names = (("cloud", request.cloud), ("gpu", request.gpu), ("workers", request.workers))
        open_fields = ", ".join(name for name, value in names if value == "auto")
        raise NotPlaced(
            f"endpoint {request.name!r} is not placed: {open_fields} is left open",
            wanted="a cloud, a GPU class and workers",
            fix="place it with `pilotlight plan --write`",
        )
    gpus = request.gpu if isinstance(request.gpu, tuple) else ()
    return request.cloud, gpus, request.workers


def _with_traffic(
    plan: EndpointPlan,
    request: PlanRequest,
    profile: TrafficProfile | None,
    phases: Phases,
    gpu: str | None,
    catalog: Catalog,
) -> EndpointPlan:
    if profile is None:
        return replace(plan, missing=(*plan.missing, *(() if "traffic" in plan.missing else ("traffic",))))
    found = workload_of(request, profile, gpu, request.gpu_count, catalog)
    if found is None:
        notes = (*plan.notes, *profile.notes, "nothing says how long a request takes: give traffic.service_s")
        missing = (*plan.missing, "traffic.service_s")
        return replace(plan, notes=notes, missing=missing, basis=profile.basis)
    policy = policy_of(
        plan.cloud,
        plan.workers,
        request.idle_timeout_s,
        request.scaler,
        catalog,
        concurrency=found.concurrency,
        rates=found.rates,
    )
    low, high = profile.interval
    expected = play(found, policy, phases)
    worst = play(found, policy, phases, volume=high, slower=1 + found.error, worst=True)
    least = play(found, policy, phases, volume=low, slower=1 / (1 + found.error))
    # quiet endpoints start cold more often, busy ones wait for room: either may be the worse
    quiet = play(found, policy, phases, volume=low, worst=True) if phases.fast else least
    cost = [
        usd_per_month(outcome.billed_s, profile.horizon_s / volume, plan.usd_per_worker_hour)
        for outcome, volume in ((least, low), (expected, 1.0), (worst, high))
    ]
    silence = profile.longest_silence_s
    return replace(
        plan,
        cost=replace(plan.cost, low=min(cost), expected=cost[1], high=max(cost)),
        basis=profile.basis,
        waits=Spread(*_quantiles(expected)),
        waits_worst=Spread(*map(max, *(_quantiles(outcome) for outcome in (worst, quiet, expected)))),
        cold_share=expected.cold_share,
        cold_share_worst=max(outcome.cold_share for outcome in (worst, quiet, expected)),
        utilisation=min(1.0, expected.busy_s / expected.billed_s) if expected.billed_s else 0.0,
        seconds_per_request=found.mean_service_s,
        requests_per_month=round(profile.requests_per_hour * HOURS_PER_MONTH),
        longest_silence_s=silence,
        notes=(*plan.notes, *profile.notes, *found.notes, *_remarks(plan, found, policy, silence, catalog)),
    )


def play(
    found: Workload,
    policy: Policy,
    phases: Phases,
    *,
    volume: float = 1.0,
    slower: float = 1.0,
    worst: bool = False,
) -> Outcome:
    """The requests through the policy, at a volume, with requests `slower` by a factor."""
    profile = found.profile.scaled(volume)
    services = found.services if slower == 1.0 else [seconds * slower for seconds in found.services]
    return simulate(profile.arrivals, services, policy, phases.boots(worst=worst), profile.horizon_s)


def _quantiles(outcome: Outcome) -> list[float]:
    return [round(seconds, 3) for seconds in outcome.wait(0.5, 0.95, 0.99)]


def _remarks(
    plan: EndpointPlan, found: Workload, policy: Policy, silence_s: float, catalog: Catalog
) -> list[str]:
    remarks = []
    if found.work_share >= policy.maximum:
        remarks.append(
            f"the requests keep {found.work_share:.1f} workers busy and there are at the most {policy.maximum}: "
            "the queue grows without end"
        )
    for days, most in catalog.scaler_defaults[plan.cloud].get("idle_down", []):
        if silence_s >= days * DAY_S and plan.workers.min == 0 and plan.workers.max > most:
            remarks.append(
                f"a silence of {silence_s / DAY_S:.1f} days: after {days} RunPod lowers the maximum to {most} by itself"
            )
    if plan.cloud == "modal":
        remarks.append(
            "Modal bills cores and memory that are used beyond what is asked for; they are not in here"
        )
    return remarks


def _bandwidth(name: str, catalog: Catalog) -> float:
    card = catalog.hardware(name)
    return card.bandwidth_gb_s if card else 0.0
