"""A plan for people at a terminal. Pure: plans in, text out."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from infra.planning.plan import ColdStart, EndpointPlan, Placement

if TYPE_CHECKING:
    from infra.cli.plan import Planned

_SHOWN = 3
_LABEL = 13


def endpoint(one: "Planned") -> str:
    """Everything that the plan says of one endpoint."""
    plan = one.plan
    lines = [f"{plan.name}: {place(plan)}  [{plan.price_book}]"]
    lines += [f"  {label:<{_LABEL}}{text}" for label, text in _facts(plan)]
    if one.placed:
        lines.append(f"  {'placed':<{_LABEL}}{', '.join(one.placed)} left open by the program")
    if one.placement is not None:
        lines += [f"  {label:<{_LABEL}}{text}" for label, text in _search(plan, one.placement)]
    elif plan.gpu is not None:
        lines.append(f"  {'cheaper':<{_LABEL}}cannot be told without traffic: declare it, or pass --trace")
    return "\n".join(lines)


def total(planned: "list[Planned]") -> str:
    """The last line: all endpoints together."""
    from infra.cli.plan import totals

    found = totals(planned)
    expected = f", {usd(found['expected'])} expected" if "expected" in found else ""
    return (
        f"\ntotal a month: {usd(found['floor'])} floor{expected}, {usd(found['pessimistic'])} at the high end, "
        f"{usd(found['ceiling'])} ceiling"
    )


def place(plan: EndpointPlan) -> str:
    """Where and how, in a few words."""
    count = f" x{plan.gpu_count}" if plan.gpu_count > 1 else ""
    gpu = f"{plan.gpu}{count}" if plan.gpu else "CPU"
    if plan.kind != "serverless":
        return f"{plan.cloud} {gpu}, always on ({plan.kind.replace('_', ' ')})"
    scaler = "" if plan.scaler is None else f", {plan.scaler.type.value} {plan.scaler.value:g}"
    return f"{plan.cloud} {gpu}, {plan.workers.min} to {plan.workers.max} workers, idle {plan.idle_timeout_s} s{scaler}"


def usd(amount: Decimal | None) -> str:
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


def _facts(plan: EndpointPlan) -> Iterator[tuple[str, str]]:
    cost = plan.cost
    if cost.expected is None:
        yield (
            "cost",
            f"{usd(cost.floor)} floor, {usd(cost.ceiling)} ceiling a month; the traffic is not known",
        )
    else:
        range_ = f"{usd(cost.low)} to {usd(cost.high)}"
        yield (
            "cost",
            f"{usd(cost.floor)} floor, {usd(cost.expected)} expected ({range_}), {usd(cost.ceiling)} ceiling",
        )
        yield "traffic", f"{plan.requests_per_month:,} requests a month, by {plan.basis}"
    if plan.waits is not None and plan.waits_worst is not None:
        waits, worst = plan.waits, plan.waits_worst
        yield (
            "waiting",
            f"p50 {waits.p50:.1f} s, p95 {waits.p95:.1f} s, p99 {waits.p99:.1f} s (at worst p95 {worst.p95:.1f} s)",
        )
    share = f"{plan.cold_share:.1%} of requests, " if plan.cold_share is not None else ""
    yield "cold start", f"{share}{_cold(plan.cold_start_worst)}"
    if plan.cold_start.hit_rate:
        rate = f"{plan.cold_start.hit_rate:.0%}"
        yield (
            "",
            f"with FlashBoot at an estimated hit rate of {rate}: p50 {plan.cold_start.p50:.1f} s, p95 {plan.cold_start.p95:.1f} s",
        )
    if plan.vram is not None:
        fits = "fits" if plan.vram.fits else f"does not fit: {plan.vram.reason}"
        most = f", {plan.vram.max_sequences} sequences at once" if plan.vram.max_sequences is not None else ""
        yield "memory", f"{plan.vram.needed_gb:.1f} of {plan.vram.usable_gb:.1f} GB{most}: {fits}"
    for breach in plan.breaches:
        yield "misses", breach
    for note in plan.notes:
        yield "note", note


def _cold(cold: ColdStart) -> str:
    phases = ", ".join(f"{phase.name} {phase.p50:.1f}-{phase.p95:.1f}" for phase in cold.phases if phase.p95)
    return f"p50 {cold.p50:.1f} s, p95 {cold.p95:.1f} s ({phases})"


def _search(plan: EndpointPlan, placement: Placement) -> Iterator[tuple[str, str]]:
    chosen = placement.chosen
    if chosen is None:
        best = placement.best_effort
        nearest = f"; the nearest is {place(best)}: {'; '.join(best.breaches)}" if best else ""
        yield "cheapest", f"of {placement.candidates:,} candidates none holds{nearest}"
    else:
        saves = ""
        if plan.cost.expected is not None and chosen.cost.expected is not None:
            less = plan.cost.expected - chosen.cost.expected
            saves = f", {usd(less)} less" if less > 0 else ""
        yield (
            "cheapest",
            f"of {placement.candidates:,} candidates {place(chosen)}: {usd(chosen.cost.expected)} expected{saves}",
        )
    for other in placement.alternatives[:_SHOWN]:
        yield "or", f"{place(other)}: {usd(other.cost.expected or other.cost.floor)}"
    for reason in placement.reasons:
        yield "because", reason
    for refused in placement.refused[:_SHOWN]:
        yield "not", f"{refused.candidate}: {refused.reason}"
    if len(placement.refused) > _SHOWN:
        yield "", f"and {len(placement.refused) - _SHOWN} more (--json has all)"
