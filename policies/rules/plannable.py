"""`plannable`: an endpoint says what it is for, and a plan can be made of it. Without one no other rule can hold."""

from infra.spec.findings import UNKNOWN, Finding, Severity
from policies.rules.rule import ENDPOINTS, Level, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    without_intent: Level = Level.WARNING
    """What a raw resource is that carries no intent: it is held to the ceiling and supply-chain rules alone."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if subject.inputs.get("intent") is UNKNOWN:
        return [Finding(RULE.id, "intent", "the plan is made, and judged, at `up`", severity=Severity.DEFERRED)]
    if subject.intent is None:
        if settings.without_intent is Level.OFF:
            return []
        severity = Severity.ERROR if settings.without_intent is Level.ERROR else Severity.WARNING
        message = "carries no intent: budget, cold start and waiting time are not judged"
        return [Finding(RULE.id, "intent", message, "declare it with ModelEndpoint, or set intent", severity)]
    if subject.unplanned is None:
        return []
    error = subject.unplanned
    return [Finding(RULE.id, "intent", f"no plan can be made: {error.what}", error.fix or error.wanted)]


RULE = Rule(
    id="plannable",
    description="An endpoint's cost and cold start can be predicted.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
