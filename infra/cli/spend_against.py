"""A bill against the plan: pure. Money is US dollars over the window, `month` figures are of 730 hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra.cli.audit_stack import POD, VOLUME, Held
from infra.cli.dev_state import MODAL, RUNPOD, Row
from infra.cli.spend_bill import Bill

if TYPE_CHECKING:
    from infra.planning.plan import EndpointPlan

_MONTH_H = Decimal(730)
_CENT = Decimal("0.01")
_FEW_HOURS = Decimal(24)


@dataclass(frozen=True)
class Line:
    """One object. `planned` is None where the plan knows no traffic: then only `floor` and `ceiling` bound the bill.

    `hours`: how much of the window the object lived, as far as its cloud has billed."""

    name: str
    cloud: str
    kind: str
    id: str
    hours: Decimal
    billed: Decimal
    floor: Decimal | None = None
    planned: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    ceiling: Decimal | None = None
    basis: str | None = None
    asked: bool = True

    @property
    def error(self) -> Decimal | None:
        """Of the plan, as a share: +0.5 = half as much again was billed."""
        return self.billed / self.planned - 1 if self.planned and self.asked else None

    @property
    def verdict(self) -> str:
        if not self.asked:
            return "not asked"
        if self.ceiling is not None and self.billed > self.ceiling + _CENT:
            return "above the ceiling"
        if self.floor is not None and self.billed < self.floor - _CENT:
            return "below the floor"
        if self.low is None or self.high is None:
            return "no traffic declared" if self.ceiling is not None else "not planned"
        if self.hours < _FEW_HOURS:
            return "less than a day: too early to say"
        if self.billed > self.high + _CENT:
            return "above the plan's interval"
        return "below the plan's interval" if self.billed < self.low - _CENT else "within the plan's interval"

    def as_data(self) -> dict[str, Any]:
        money = ("billed", "floor", "planned", "low", "high", "ceiling")
        amounts = {name: getattr(self, name) for name in money}
        return {
            "name": self.name,
            "cloud": self.cloud,
            "kind": self.kind,
            "id": self.id,
            "hours": f"{self.hours:.2f}",
            "basis": self.basis,
            "usd": {name: None if value is None else f"{value:.4f}" for name, value in amounts.items()},
            "error": None if self.error is None else f"{self.error:.3f}",
            "verdict": self.verdict,
        }


def lines(state: Held, bill: Bill, plans: "Mapping[str, EndpointPlan]") -> list[Line]:
    """One for each endpoint, pod and network volume of the state, the dearest first. `plans` are by URN."""
    found = [_line(row, state, bill, plans.get(row.urn)) for row in state.of(RUNPOD, MODAL, POD, VOLUME)]
    return sorted(found, key=lambda line: (-line.billed, line.name, line.id))


def elsewhere(state: Held, bill: Bill) -> Decimal:
    """Billed to objects that this stack does not have: other stacks, and what it had before a replacement."""
    return sum((usd for id, usd in bill.usd.items() if id not in state.ids), Decimal(0))


def plans_of(state: Held, root: Any = None) -> "dict[str, EndpointPlan]":
    """The plan of each endpoint as it was deployed, from the intent in its state, at today's prices."""
    from infra.catalog import load
    from infra.planning.evaluate import evaluate
    from infra.planning.request import PlanRequest
    from infra.spec.errors import PilotlightError

    catalog = load()
    found = {}
    for row in state.of(RUNPOD, MODAL, POD):
        intent = row.inputs.get("intent")
        if not isinstance(intent, Mapping) or "endpoint" not in intent:
            continue
        try:
            found[row.urn] = evaluate(PlanRequest.from_intent(intent), catalog, catalog.prices(), root=root)
        except PilotlightError:
            continue  # a trace that is not on this machine, a price that is gone: billed is still worth a line
    return found


def _line(row: Row, state: Held, bill: Bill, plan: "EndpointPlan | None") -> Line:
    cloud = "modal" if row.type == MODAL else "runpod"
    kind = {RUNPOD: "endpoint", MODAL: "app", POD: "pod"}.get(row.type, "network volume")
    until = bill.until.get(cloud, bill.start)
    hours = _hours(max(bill.start, state.made.get(row.urn, bill.start)), until)
    share = hours / _MONTH_H
    asked = cloud in bill.until
    billed = bill.usd.get(row.id, Decimal(0))
    if plan is None:
        hourly = row.outputs.get("costUsdPerHour") if row.type == POD else None
        planned = None if hourly is None else Decimal(str(hourly)) * hours
        return Line(state.title(row), cloud, kind, row.id, hours, billed, planned=planned, asked=asked)
    cost = plan.cost

    def part(amount: Decimal | None) -> Decimal | None:
        return None if amount is None else amount * share

    return Line(
        state.title(row),
        cloud,
        kind,
        row.id,
        hours,
        billed,
        part(cost.floor),
        part(cost.expected),
        part(cost.low),
        part(cost.high),
        part(cost.ceiling),
        plan.basis,
        asked,
    )


def _hours(start: datetime, end: datetime) -> Decimal:
    return Decimal(max(0, int((end - start).total_seconds()))) / 3600
