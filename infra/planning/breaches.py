"""What of its SLO and its budget a plan misses, at the pessimistic end, in words."""

from infra.planning.plan import EndpointPlan
from infra.planning.request import PlanRequest


def breaches_of(plan: EndpointPlan, request: PlanRequest) -> tuple[str, ...]:
    found: list[str] = []
    if plan.vram is not None and not plan.vram.fits:
        found.append(f"does not fit: {plan.vram.reason}")
    slo = request.slo
    if slo is not None:
        waits, share = plan.waits_worst, plan.cold_share_worst
        measured = (
            ("cold start p95", plan.cold_start_worst.p95, slo.cold_start_p95_s),
            ("wait p95", waits.p95 if waits else None, slo.wait_p95_s),
            ("wait p99", waits.p99 if waits else None, slo.wait_p99_s),
        )
        found += [
            f"{what} {_seconds(value)} is over the {limit:g} s of the SLO"
            for what, value, limit in measured
            if limit is not None and value is not None and value > limit
        ]
        if slo.cold_share is not None and share is not None and share > slo.cold_share:
            found.append(f"{share:.1%} of requests start cold, over the {slo.cold_share:.1%} of the SLO")
    budget = request.budget
    if budget is not None:
        limit = budget.usd_per_month
        if plan.cost.floor > limit:
            found.append(
                f"{plan.workers.min} always-on workers alone cost ${plan.cost.floor:,} a month, over the budget of "
                f"${limit:,}: the two contradict each other"
            )
        elif plan.cost.high is not None and plan.cost.high > limit:
            found.append(f"${plan.cost.high:,} a month at the high end is over the budget of ${limit:,}")
    return tuple(found)


def _seconds(value: float) -> str:
    return "without end" if value == float("inf") else f"{value:.1f} s"
