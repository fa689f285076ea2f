"""`wait-slo`: requests do not wait longer for a worker than promised."""

import pydantic

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import seconds


class Settings(RuleSettings):
    max_p95_s: float | None = pydantic.Field(default=None, gt=0)
    """The most for 95 of 100 requests to any endpoint; an endpoint's own SLO holds as well."""
    max_p99_s: float | None = pydantic.Field(default=None, gt=0)
    """The most for 99 of 100."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint:
        return []
    if settings.max_p95_s is None and settings.max_p99_s is None and not subject.intent_has("slo"):
        return []
    slo = subject.request.slo
    pairs = (
        ("p95", settings.max_p95_s, slo.wait_p95_s if slo else None),
        ("p99", settings.max_p99_s, slo.wait_p99_s if slo else None),
    )
    limits = {
        quantile: min(given)
        for quantile, *found in pairs
        if (given := [limit for limit in found if limit is not None])
    }
    if not limits:
        return []
    plan = subject.plan
    if plan.waits is None or plan.waits_worst is None:
        if subject.open("traffic"):
            return [at_up(RULE.id, "intent.traffic", "the waiting time")]
        message = "promises a waiting time, and nothing is known of its traffic"
        return [
            Finding(RULE.id, "intent.traffic", message, "declare traffic: a trace, gap quantiles or a rate")
        ]
    if subject.open("image_bytes", "weights_bytes"):
        return [at_up(RULE.id, "intent", "the cold start, and with it the waiting time,")]
    findings = []
    for quantile, limit in limits.items():
        worst, expected = getattr(plan.waits_worst, quantile), getattr(plan.waits, quantile)
        if worst > limit:
            message = (
                f"requests wait {seconds(worst)} at {quantile} at the high end of the traffic ({seconds(expected)} as "
                f"expected), over {seconds(limit)}"
            )
            fix = "raise workers.min, workers.max or idle_timeout_s; `pilotlight plan` finds the cheapest that holds"
            data = {"wait_s": worst, "quantile": quantile, "limit": limit}
            findings.append(Finding(RULE.id, "intent.slo", message, fix, data=data))
    return findings


RULE = Rule(
    id="wait-slo",
    description="Requests wait for a worker no longer than the SLO says.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
