"""`scale-to-zero-slo`: an endpoint without a worker cannot answer its first request sooner than a worker starts."""

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import seconds


class Settings(RuleSettings):
    pass


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or not subject.intent_has("slo"):
        return []
    slo = subject.request.slo
    limit = None if slo is None else slo.cold_start_p95_s
    if limit is None:
        return []
    plan = subject.plan
    best = plan.cold_start.p50
    if plan.workers.min > 0 or best <= limit:
        return []
    if subject.open("image_bytes", "weights_bytes"):
        return [at_up(RULE.id, "intent", "the cold start")]
    message = (
        f"scales to zero, and even a good cold start of {seconds(best)} is over the SLO of {seconds(limit)}"
    )
    fix = "set workers.min to 1, or make starts faster (fast_boot, smaller image, another cloud)"
    data = {"cold_start_p50_s": best, "limit": limit}
    return [Finding(RULE.id, "intent.workers.min", message, fix, data=data)]


RULE = Rule(
    id="scale-to-zero-slo",
    description="What scales to zero promises no start faster than the best one.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
