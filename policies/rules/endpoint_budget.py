"""`endpoint-budget`: what an endpoint will cost stays within its budget, at the dear end of the prediction."""

from decimal import Decimal

import pydantic

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import usd


class Settings(RuleSettings):
    max_usd_per_month: Decimal | None = pydantic.Field(default=None, gt=0)
    """The most for any endpoint; an endpoint's own budget holds as well."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or (settings.max_usd_per_month is None and not subject.intent_has("budget")):
        return []
    budget = subject.request.budget
    own = budget.usd_per_month if budget is not None else None
    limits = [limit for limit in (settings.max_usd_per_month, own) if limit is not None]
    if not limits:
        return []
    plan, limit = subject.plan, min(limits)
    cost = plan.cost.pessimistic
    if cost > limit and subject.open("traffic"):
        return [at_up(RULE.id, "intent.traffic", "the traffic")]
    if cost > limit:
        what = (
            "at the high end of its traffic" if plan.cost.high is not None else "with all workers all month"
        )
        fix = f"lower workers.max or idle_timeout_s, or take a smaller GPU class: `pilotlight plan -s {subject.view.stack}`"
        path = "intent.budget" if limit == own else "intent"
        data = {"usd_per_month": str(cost), "limit": str(limit)}
        return [
            Finding(RULE.id, path, f"costs {usd(cost)} a month {what}, over {usd(limit)}", fix, data=data)
        ]
    return []


RULE = Rule(
    id="endpoint-budget",
    description="An endpoint's monthly cost stays within its budget.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
