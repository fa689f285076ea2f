"""`runpod-idle-down`: RunPod turns quiet endpoints down by itself, and from the seventh idle day on they answer no more."""

from infra.spec.findings import Finding
from policies.rules.rule import RUNPOD_ENDPOINT, Level, Rule, RuleSettings
from policies.rules.subject import Subject

_DAY_S = 86_400.0


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or not subject.intent_has("traffic"):
        return []
    plan = subject.plan
    silence = plan.longest_silence_s
    if silence is None or plan.workers.min > 0:
        return []
    steps = subject.context.catalog.scaler_defaults["runpod"].get("idle_down", [])
    reached = [(days, most) for days, most in steps if silence >= days * _DAY_S and plan.workers.max > most]
    if not reached:
        return []
    days, most = reached[-1]
    message = (
        f"a silence of {silence / _DAY_S:.1f} days is to be expected: after {days} idle days RunPod lowers its workers to "
        f"{most}{', and requests are not answered any more' if most == 0 else ''}"
    )
    fix = "call it once a day, set workers.min to 1, or run it on Modal, which does not do this"
    return [Finding(RULE.id, "intent.traffic", message, fix, data={"silence_s": silence})]


RULE = Rule(
    id="runpod-idle-down",
    description="An endpoint is not so quiet that RunPod turns it off.",
    types=frozenset({RUNPOD_ENDPOINT}),
    settings=Settings,
    check=check,
)
