"""`plannable`: an endpoint says what it is for. Without that no rule about cost over time or about starts can hold.

That a plan cannot be made of what it says is reported under this rule, too, whichever rule asks for the plan.
"""

from infra.spec.findings import UNKNOWN, Finding, Severity
from policies.rules.rule import ENDPOINTS, Level, Rule, RuleSettings
from policies.rules.subject import PURPOSES, NoPlan, Subject


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if subject.inputs.get("intent") is UNKNOWN:
        said = "the plan is made, and judged, at `up`"
        return [Finding(RULE.id, "intent", said, severity=Severity.DEFERRED)]
    if subject.purpose is not None:
        return []
    if subject.intent is not None:
        message = (
            f"its intent is of no kind that is known here ({', '.join(PURPOSES)}), so nothing of it is judged"
        )
        return [Finding(RULE.id, "intent", message, "declare it with a component, such as ModelEndpoint")]
    message = "carries no intent: its budget, cold start and waiting time are not judged"
    return [Finding(RULE.id, "intent", message, "declare it with ModelEndpoint, or set intent")]


def no_plan(error: NoPlan) -> Finding:
    """An error whatever the settings say: rules that ask for a plan fail closed."""
    said = error.error
    return Finding(RULE.id, "intent", f"no plan can be made: {said.what}", said.fix or said.wanted)


RULE = Rule(
    id="plannable",
    description="An endpoint says what it is for, so that its cost and starts can be judged.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
