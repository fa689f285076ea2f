"""`idle-window`: a worker is kept idle at least as long as another one takes to start, or it is let go just to be missed."""

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Level, Rule, RuleSettings
from policies.rules.subject import Subject
from policies.rules.wording import seconds


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or not subject.intent_has("traffic"):
        return []
    plan = subject.plan
    start = plan.cold_start.p50
    if plan.workers.max <= plan.workers.min or plan.idle_timeout_s >= start:
        return []
    if subject.open("image_bytes", "weights_bytes"):
        return [at_up(RULE.id, "intent", "the cold start")]
    message = f"a worker is let go after {seconds(plan.idle_timeout_s)} idle, and another takes {seconds(start)} to start"
    fix = (
        f"raise idle_timeout_s to {int(start) + 1} or more, or make starts faster (fast_boot, smaller image)"
    )
    data = {"idle_timeout_s": plan.idle_timeout_s, "cold_start_p50_s": start}
    return [Finding(RULE.id, "intent.idle_timeout_s", message, fix, data=data)]


RULE = Rule(
    id="idle-window",
    description="The idle timeout is not shorter than a cold start.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
