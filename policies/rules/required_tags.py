"""`required-tags`: each endpoint says who owns it and who pays."""

from collections.abc import Mapping

from infra.spec.findings import UNKNOWN, Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    tags: list[str] = []
    """Names of tags that must be set, such as owner and cost-center."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not settings.tags:
        return []
    intent = subject.inputs.get("intent")
    given = (intent, (subject.intent or {}).get("tags"), subject.inputs.get("tags"))
    tags = {
        name: value for one in given[1:] if isinstance(one, Mapping) for name, value in one.items() if value
    }
    missing = [name for name in settings.tags if name not in tags]
    if missing and any(one is UNKNOWN for one in given):
        return [at_up(RULE.id, "tags", "the tags")]
    if not missing:
        return []
    example = ", ".join(f'"{name}": "…"' for name in missing)
    message = f"has no {' and no '.join(missing)}"
    return [Finding(RULE.id, "intent.tags", message, f"set tags={{{example}}}", data={"missing": missing})]


RULE = Rule(
    id="required-tags",
    description="An endpoint names its owner and its cost center.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
