"""`stack-budget`: all endpoints and machines of a stack together stay within a budget."""

from collections.abc import Sequence
from decimal import Decimal

import pydantic

from infra.catalog import PriceMissing
from infra.planning import monthly_range
from infra.spec.findings import Finding, Severity
from policies.rules.hourly import all_workers
from policies.rules.reading import NotKnownYet
from policies.rules.rule import COMPUTE, RuleSettings, StackRule
from policies.rules.subject import Subject
from policies.rules.wording import usd


class Settings(RuleSettings):
    max_usd_per_month: Decimal | None = pydantic.Field(default=None, gt=0)
    """The most for all of a stack; none = no limit."""


def check(subjects: Sequence[Subject], settings: Settings) -> list[Finding]:
    limit = settings.max_usd_per_month
    if limit is None:
        return []
    costs: dict[str, Decimal] = {}
    findings = []
    for subject in subjects:
        if subject.type not in COMPUTE:
            continue
        try:
            costs[subject.view.name] = cost_of(subject)
        except NotKnownYet:
            said = f"{subject.view.name}: the cost is known, and judged, at `up`"
            findings.append(Finding(RULE.id, "", said, severity=Severity.DEFERRED))
        except PriceMissing as error:
            findings.append(Finding(RULE.id, "", f"{subject.view.name}: {error.what}", error.fix))
    total = sum(costs.values(), Decimal(0))
    if total > limit:
        dearest = sorted(costs.items(), key=lambda pair: -pair[1])[:3]
        parts = ", ".join(f"{name} {usd(cost)}" for name, cost in dearest)
        fix = f"the dearest are {parts}"
        data = {"usd_per_month": str(total), "limit": str(limit)}
        message = f"the stack costs {usd(total)} a month, over {usd(limit)}"
        findings.insert(0, Finding(RULE.id, "", message, fix, data=data))
    return findings


def cost_of(subject: Subject) -> Decimal:
    """US dollars a month at the dear end: of the plan, or of every worker all month where there is none.

    Raises `PriceMissing`, `NotKnownYet`, `NoPlan`."""
    if subject.is_endpoint:
        return subject.plan.cost.pessimistic
    months = [
        monthly_range(usd_per_worker_hour=one.usd_per_hour, workers_min=0, workers_max=one.most).ceiling
        for one in all_workers(subject.type, subject.inputs)
    ]
    return sum(months, Decimal(0))


RULE = StackRule(
    id="stack-budget",
    description="A stack's monthly cost stays within its budget.",
    settings=Settings,
    check=check,
)
