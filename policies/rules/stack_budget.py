"""`stack-budget`: all endpoints and machines of a stack together stay within a budget."""

from collections.abc import Sequence
from decimal import Decimal

import pydantic

from infra.spec.errors import PilotlightError
from infra.spec.findings import Finding, Severity
from policies.rules.reading import NotKnownYet
from policies.rules.rule import COMPUTE, RuleSettings, StackRule
from policies.rules.subject import NoPlan, Subject
from policies.rules.wording import usd


class Settings(RuleSettings):
    max_usd_per_month: Decimal | None = pydantic.Field(default=None, gt=0)
    """The most for all of a stack; none = no limit."""


def check(subjects: Sequence[Subject], settings: Settings) -> list[Finding]:
    limit = settings.max_usd_per_month
    if limit is None:
        return []
    costs: list[tuple[str, Decimal]] = []
    findings = []
    for subject in subjects:
        if subject.type not in COMPUTE:
            continue
        try:
            costs.append((subject.view.name, cost_of(subject)))
        except NotKnownYet:
            said = f"{subject.view.name}: the cost is known, and judged, at `up`"
            findings.append(Finding(RULE.id, "", said, severity=Severity.DEFERRED))
        except NoPlan as error:
            findings.append(_no_cost(subject, error.error))
        except PilotlightError as error:
            findings.append(_no_cost(subject, error))
    total = sum((cost for _, cost in costs), Decimal(0))
    if total > limit:
        dearest = sorted(costs, key=lambda pair: -pair[1])[:3]
        parts = ", ".join(f"{name} {usd(cost)}" for name, cost in dearest)
        fix = f"the dearest are {parts}"
        data = {"usd_per_month": str(total), "limit": str(limit)}
        message = f"the stack costs {usd(total)} a month, over {usd(limit)}"
        findings.insert(0, Finding(RULE.id, "", message, fix, data=data))
    return findings


def cost_of(subject: Subject) -> Decimal:
    """US dollars a month at the dear end: of the plan, or of every worker all month where there is none.

    Raises `PriceMissing`, `NotKnownYet`, `NoPlan`."""
    if not subject.is_endpoint:
        from policies.rules.hourly import ceiling_of  # prices load only where there is a limit

        return ceiling_of(subject)
    return subject.plan.cost.pessimistic  # where a preview cannot know the traffic, all workers all month


def _no_cost(subject: Subject, error: PilotlightError) -> Finding:
    """Fails closed: what has no price does not count as nothing."""
    message = f"{subject.view.name}: its cost cannot be told: {error.what}"
    return Finding(RULE.id, "", message, error.fix or error.wanted)


RULE = StackRule(
    id="stack-budget",
    description="A stack's monthly cost stays within its budget.",
    settings=Settings,
    check=check,
)
