"""Many quiet models in one endpoint: worth more than any tuning of idle timeouts, where models can share a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge
from itertools import pairwise

from infra.catalog import Catalog
from infra.planning.cold_start import phases_of
from infra.planning.evaluate import play, usd_per_month
from infra.planning.plan import EndpointPlan
from infra.planning.policies import policy_of
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.workload import Workload
from infra.spec.scaling import Workers

QUIET = 0.3
"""Utilisation below which an endpoint counts as quiet."""
_MOST_REQUESTS = 20_000


@dataclass(frozen=True)
class Member:
    """A placed endpoint: what was asked, its plan, and its traffic with known seconds."""

    request: PlanRequest
    plan: EndpointPlan
    profile: TrafficProfile


@dataclass(frozen=True)
class Advice:
    """Endpoints on the same cloud and cards, and what they cost a month apart and as one (US dollars)."""

    endpoints: tuple[str, ...]
    apart: Decimal
    together: Decimal
    cold_share_apart: float
    cold_share_together: float
    workers: int
    text: str


def consolidation(members: Sequence[Member], catalog: Catalog) -> list[Advice]:
    """For each group of two or more quiet endpoints in the same place; only what saves. The one endpoint takes the
    settings of the busiest, and workers enough for all."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        plan = member.plan
        quiet = plan.utilisation is not None and plan.utilisation < QUIET and plan.cost.expected is not None
        if quiet and member.profile.services is not None:
            place = (
                plan.cloud,
                plan.gpu,
                plan.gpu_count,
                member.request.concurrency,
                member.request.fast_boot,
            )
            groups.setdefault(place, []).append(member)
    found = (_advice(group, catalog) for group in groups.values() if len(group) > 1)
    return [advice for advice in found if advice.together < advice.apart]


def superposed(profiles: Sequence[TrafficProfile]) -> TrafficProfile:
    """All of them at once, each repeated from its start as often as the longest needs."""
    horizon = max(profile.horizon_s for profile in profiles)
    rate = sum(len(profile.arrivals) / profile.horizon_s for profile in profiles)
    horizon = min(horizon, _MOST_REQUESTS / rate)
    pairs = list(merge(*(_repeated(profile, horizon) for profile in profiles)))
    silence = max((b[0] - a[0] for a, b in pairwise(pairs)), default=horizon)
    return TrafficProfile(
        basis=profiles[0].basis,
        arrivals=[at for at, _ in pairs],
        services=[seconds for _, seconds in pairs],
        horizon_s=horizon,
        interval=profiles[0].interval,
        longest_silence_s=silence,
    )


def _repeated(profile: TrafficProfile, horizon: float) -> list[tuple[float, float]]:
    services, pairs, start = profile.services or (), [], 0.0
    while start < horizon:
        for at, seconds in zip(profile.arrivals, services, strict=True):
            if start + at >= horizon:
                break
            pairs.append((start + at, seconds))
        start += profile.horizon_s
    return pairs


def _advice(group: Sequence[Member], catalog: Catalog) -> Advice:
    busiest = max(group, key=lambda member: member.profile.requests_per_hour)
    plan, request = busiest.plan, busiest.request
    gpu = None if plan.gpu is None else plan.gpu.split(", ")[0]
    profile = superposed([member.profile for member in group])
    workers = Workers(
        min=max(member.plan.workers.min for member in group),
        max=max(member.plan.workers.max for member in group),
        buffer=plan.workers.buffer,
    )
    policy = policy_of(
        plan.cloud, workers, request.idle_timeout_s, request.scaler, catalog, concurrency=request.concurrency
    )
    outcome = play(
        Workload(profile, (1.0,), 0.0, request.concurrency),
        policy,
        phases_of(request, plan.cloud, gpu, catalog),
    )
    together = usd_per_month(outcome.billed_s, profile.horizon_s, plan.usd_per_worker_hour)
    apart = sum((member.plan.cost.expected or Decimal(0) for member in group), Decimal(0))
    requests = sum(member.profile.requests_per_hour for member in group)
    cold = sum((m.plan.cold_share or 0) * m.profile.requests_per_hour for m in group) / requests
    names = tuple(sorted(member.request.name for member in group))
    text = (
        f"{', '.join(names)} are quiet and alike: as one endpoint that loads the model each request asks for, they cost "
        f"${together:,} a month in place of ${apart:,}, and {outcome.cold_share:.0%} of requests start cold in place of {cold:.0%}"
    )
    return Advice(names, apart, together, cold, outcome.cold_share, workers.max, text)
