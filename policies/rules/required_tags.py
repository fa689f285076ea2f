"""`required-tags`: each endpoint says who owns it and who pays."""

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
    tags = (subject.intent or {}).get("tags") or subject.inputs.get("tags") or {}
    if tags is UNKNOWN or subject.inputs.get("intent") is UNKNOWN:
        return [at_up(RULE.id, "tags", "the tags")]
    missing = [name for name in settings.tags if not tags.get(name)]
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
