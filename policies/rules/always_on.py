"""`always-on`: a worker that is always on is used enough to be worth it."""

import pydantic

from infra.spec.findings import Finding
from policies.rules.rule import ENDPOINTS, Level, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import usd


class Settings(RuleSettings):
    severity: Level = Level.WARNING
    min_utilisation: float = pydantic.Field(default=0.1, ge=0, le=1)
    """The least share of billed time in which workers serve."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or not subject.intent_has("traffic"):
        return []
    request = subject.request
    if request.workers == "auto" or request.workers.min == 0 or not request.gpu:
        return []
    plan = subject.plan
    if plan.utilisation is None or plan.utilisation >= settings.min_utilisation:
        return []
    message = (
        f"{plan.workers.min} always-on {'worker is' if plan.workers.min == 1 else 'workers are'} busy {plan.utilisation:.1%} "
        f"of the time, below {settings.min_utilisation:.0%}, for {usd(plan.cost.floor)} a month"
    )
    fix = "set workers.min to 0 with a longer idle_timeout_s, or let several models share an endpoint"
    data = {"utilisation": plan.utilisation, "usd_per_month": str(plan.cost.floor)}
    return [Finding(RULE.id, "intent.workers.min", message, fix, data=data)]


RULE = Rule(
    id="always-on",
    description="Always-on workers are used enough to be worth it.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
