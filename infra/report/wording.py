"""The words that every renderer shares. `name` makes a text of somebody else safe for where it will stand."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from infra.report.model import Basis, Change, Endpoint, Judgement, Money, Side, StackReport, Verdict

Name = Callable[[str], str]
OPS = ("replace", "delete", "create", "update", "import")
SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "import": "<"}
COLUMNS = ("endpoint", "change", "GPU", "idle floor", "expected", "ceiling", "cold start p50 / p95", "SLO")
_LONG = 200


def headline(report: StackReport, name: Name = str) -> str:
    """One sentence or two: the verdict, what it costs, how it starts."""
    parts = [
        f"{name(report.stack)}: {_verdict(report, name)}",
        "; ".join([*_money(report), *_cold(report, name)]),
    ]
    return ". ".join(part for part in parts if part)


def icon(verdict: Verdict) -> str:
    return "✅" if verdict is Verdict.OK else "❌"


def summary(report: StackReport) -> str:
    """What happens to the resources, such as "2 to create, 1 to replace"."""
    if not report.compared:
        return "nothing to compare with"
    counts = report.counts()
    return ", ".join(f"{counts[op]} to {op}" for op in OPS if op in counts) or "no changes"


def checked(report: StackReport) -> str:
    """How far the rules came, in the issue's spirit: nothing checked is not the same as nothing found."""
    later = report.pairs - report.checked
    said = f"checked {report.checked} of {report.pairs} pairs of rule and resource"
    return f"{said} ({later} can be known, and proved, only at `up`)" if later else said


def found(report: StackReport) -> str:
    """How many findings there are."""
    warnings = len(report.warnings)
    return f"{len(report.errors)} blocked, {warnings} {'warning' if warnings == 1 else 'warnings'}"


def based_on(report: StackReport) -> str:
    """What the changes were told from."""
    if report.basis is Basis.ENGINE:
        return "the engine's preview over the state of the stack"
    return "the declarations of base and head" if report.base else "the declarations of head alone"


def usd(amount: Decimal | None) -> str:
    if amount is None:
        return "?"
    if amount and abs(amount) < 10:
        return f"${amount:,.2f}"
    return f"${amount:,.0f}"


def seconds(value: float | None) -> str:
    if value is None:
        return "?"
    if value == float("inf"):
        return "without end"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def arrow(before: str | None, after: str | None) -> str:
    """`a -> b`, or one of them where both say the same or one is missing."""
    if before is None or before == after:
        return after if after is not None else "-"
    return before if after is None else f"{before} -> {after}"


def row(endpoint: Endpoint) -> tuple[str, ...]:
    """The cells of `COLUMNS`, unescaped; the name comes first."""
    before, after = endpoint.before, endpoint.after
    return (
        endpoint.name,
        _change(endpoint),
        arrow(_of(before, gpu), _of(after, gpu)),
        arrow(_of(before, lambda side: _cost(side, "floor")), _of(after, lambda side: _cost(side, "floor"))),
        arrow(_of(before, expected), _of(after, expected)),
        arrow(
            _of(before, lambda side: _cost(side, "ceiling")), _of(after, lambda side: _cost(side, "ceiling"))
        ),
        arrow(_of(before, cold), _of(after, cold)),
        arrow(_of(before, slo), _of(after, slo)),
    )


def gpu(side: Side) -> str:
    plan = side.plan
    if plan is None:
        return "?"
    count = f" x{plan.gpu_count}" if plan.gpu_count > 1 else ""
    return f"{plan.gpu or 'CPU'}{count} on {plan.cloud}"


def expected(side: Side) -> str:
    cost = None if side.plan is None else side.plan.cost
    if cost is None or cost.expected is None:
        return "?"
    if cost.low is None or cost.high is None or cost.low == cost.high:
        return usd(cost.expected)
    return f"{usd(cost.expected)} ({usd(cost.low)} to {usd(cost.high)})"


def cold(side: Side) -> str:
    if side.plan is None:
        return "?"
    worst = side.plan.cold_start_worst
    return f"{seconds(worst.p50)} / {seconds(worst.p95)}"


def slo(side: Side) -> str:
    found = side.slo
    if found is None:
        return "none"
    limits = (
        ("cold p95", found.cold_start_p95_s),
        ("wait p95", found.wait_p95_s),
        ("wait p99", found.wait_p99_s),
    )
    texts = [f"{what} {value:g} s" for what, value in limits if value is not None]
    if found.cold_share is not None:
        texts.append(f"cold {found.cold_share:.1%}")
    return ", ".join(texts) or "none"


def where(judgement: Judgement) -> str:
    """The line that declared the resource, or ""."""
    return "" if judgement.source is None else f"{judgement.source[0]}:{judgement.source[1]}"


def change_lines(change: Change) -> Iterator[str]:
    """One line for the resource and one for each property that changes."""
    remark = ""
    if change.op == "replace":
        keys = ", ".join(diff.path for diff in change.diffs if diff.replaces)
        remark = f"  ({keys} cannot change in place)" if keys else ""
    yield f"{SIGNS.get(change.op, ' ')} {change.op} {short_type(change.type)} {change.name}{remark}"
    intent = [diff for diff in change.diffs if diff.path.startswith("intent")]
    shown = [diff for diff in change.diffs if diff not in intent] or intent
    for diff in shown:
        yield f"      {diff.path}: {_diff(diff.before, diff.after)}"


def short_type(token: str) -> str:
    """`pilotlight-runpod:index:Endpoint` as `runpod Endpoint`."""
    package, _, kind = token.partition(":")
    package = package.removeprefix("pilotlight-")
    name = kind.rpartition(":")[2]
    return name if package == "pilotlight" else f"{package} {name}"


def assumptions(report: StackReport) -> Iterator[tuple[str, str]]:
    """(endpoint or "", text) of everything that the costs of head rest on."""
    if report.book is not None:
        book = report.book
        yield (
            "",
            f"prices of {book.as_of} (book {book.name}, {book.age_days} days old), months of 730 hours, US dollars",
        )
    for endpoint in report.endpoints:
        side = endpoint.after
        if side is None:
            continue
        if side.plan is None:
            yield endpoint.name, f"no plan: {side.why}"
            continue
        plan = side.plan
        place = f"{plan.workers.min} to {plan.workers.max} workers, idle {plan.idle_timeout_s} s"
        yield endpoint.name, f"${plan.usd_per_worker_hour.normalize():f} a worker-hour, {place}"
        if plan.requests_per_month is not None:
            yield endpoint.name, f"{plan.requests_per_month:,} requests a month, by {plan.basis}"
        if plan.missing:
            yield endpoint.name, f"not known, and assumed: {', '.join(plan.missing)}"
        for note in plan.notes:
            yield endpoint.name, note
        if endpoint.deployed is not None and endpoint.deployed.plan is not None:
            cost = endpoint.deployed.plan.cost
            said = usd(cost.expected if cost.expected is not None else cost.ceiling)
            yield (
                endpoint.name,
                f"deployed is another than the base declares: {gpu(endpoint.deployed)}, {said} a month",
            )


def _verdict(report: StackReport, name: Name) -> str:
    if report.verdict is Verdict.BLOCKED:
        policies = len({one.policy for one in report.errors})
        return f"blocked by {policies} {'policy' if policies == 1 else 'policies'}"
    if report.verdict is Verdict.FAILED:
        said = f": {name(report.reason)}" if len(report.reason) <= _LONG else ""
        return f"the preview failed{said}".rstrip(". ")
    return summary(report)


def _money(report: StackReport) -> Iterator[str]:
    before, after = report.before, report.after
    if after is None:
        return
    if after.expected is not None and (before is None or before.expected is not None):
        yield f"{_change_of(None if before is None else before.expected, after.expected)} /month expected{_delta(before, after)}"
    else:
        yield f"{_change_of(None if before is None else before.ceiling, after.ceiling)} /month at the most"


def _delta(before: Money | None, after: Money) -> str:
    if (
        before is None
        or before.expected is None
        or after.expected is None
        or before.expected == after.expected
    ):
        return ""
    delta = after.expected - before.expected
    return f" ({'+' if delta > 0 else '-'}{usd(abs(delta))})"


def _change_of(before: Decimal | None, after: Decimal) -> str:
    return arrow(None if before is None else usd(before), usd(after))


def _cold(report: StackReport, name: Name) -> Iterator[str]:
    found = [one for one in report.endpoints if one.after is not None and one.after.plan is not None]
    if not found:
        return
    worst = max(found, key=_pressure)
    side = worst.after
    assert side is not None
    assert side.plan is not None
    limit = None if side.slo is None else side.slo.cold_start_p95_s
    whose = f" of {name(worst.name)}" if len(found) > 1 else ""
    said = f" (SLO {seconds(limit)})" if limit is not None else ""
    yield f"cold start p95{whose} {seconds(side.plan.cold_start_worst.p95)}{said}"


def _pressure(endpoint: Endpoint) -> tuple[float, float]:
    """How near, or how far over, the SLO an endpoint is; those without one come after."""
    side = endpoint.after
    assert side is not None
    assert side.plan is not None
    p95 = side.plan.cold_start_worst.p95
    limit = None if side.slo is None else side.slo.cold_start_p95_s
    return (0.0 if limit is None else p95 / limit, p95)


def _change(endpoint: Endpoint) -> str:
    if endpoint.change != "changed" or endpoint.before is None or endpoint.after is None:
        return endpoint.change
    return "changed"


def _of(side: Side | None, text: Callable[[Side], str]) -> str | None:
    return None if side is None else text(side)


def _cost(side: Side, which: str) -> str:
    return usd(None if side.plan is None else getattr(side.plan.cost, which))


def _diff(before: str, after: str) -> str:
    if before and after:
        return f"{before} -> {after}" if before != after else f"{after} (changed)"
    return f"added {after}" if after else f"removed {before}"
