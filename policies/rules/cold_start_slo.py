"""`cold-start-slo`: a request that finds no worker is not kept waiting longer than promised."""

import pydantic

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import seconds

_PHASES = {"image_bytes": ("image",), "weights_bytes": ("weights", "load")}
"""What of a cold start depends on which size."""


class Settings(RuleSettings):
    max_p95_s: float | None = pydantic.Field(default=None, gt=0)
    """The most for any endpoint, in seconds; an endpoint's own SLO holds as well."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or (settings.max_p95_s is None and not subject.intent_has("slo")):
        return []
    slo = subject.request.slo
    own = slo.cold_start_p95_s if slo is not None else None
    limits = [limit for limit in (settings.max_p95_s, own) if limit is not None]
    if not limits:
        return []
    plan, limit = subject.plan, min(limits)
    worst = plan.cold_start_worst
    lost = {name for size, names in _PHASES.items() if subject.open(size) for name in names}
    certain = max((phase.p95 for phase in worst.phases if phase.name not in lost), default=0.0)
    if lost and certain <= limit:
        return [at_up(RULE.id, "intent", "the cold start")]
    if worst.p95 > limit:
        longest = max(worst.phases, key=lambda phase: phase.p95)
        lucky = ""
        if plan.cold_start.hit_rate is not None:
            estimate = (
                f"{seconds(plan.cold_start.p95)} at the estimated hit rate of {plan.cold_start.hit_rate:.0%}"
            )
            lucky = f" when FlashBoot misses ({estimate})"
        message = f"a cold start takes {seconds(worst.p95)} at p95{lucky}, over {seconds(limit)}"
        fix = (
            f"{longest.name} takes {seconds(longest.p95)} of it; `pilotlight plan` lists what would be faster"
        )
        path = "intent.slo" if limit == own else "intent"
        data = {"p95_s": worst.p95, "limit": limit}
        return [Finding(RULE.id, path, message, fix, data=data)]
    return []


RULE = Rule(
    id="cold-start-slo",
    description="A cold start stays within the SLO.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
