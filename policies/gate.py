"""The gate that a provider's Check asks: every rule that concerns a resource, with the stack's settings."""

from collections.abc import Callable
from pathlib import Path

from infra.spec.findings import Finding, Gate, ResourceView
from policies import settings
from policies.rules import RULES, RuleSettings


def make_gate(find_root: Callable[[], Path | None]) -> Gate:
    """A gate that reads the settings once per stack, when the first resource asks. Wrong settings refuse all."""
    known: dict[str, dict[str, RuleSettings]] = {}

    def gate(resource: ResourceView) -> list[Finding]:
        if resource.stack not in known:
            try:
                known[resource.stack] = settings.load(find_root(), resource.stack)
            except settings.SettingsError as error:
                return [Finding("settings", "", error.what, error.fix)]
        return judge(resource, known[resource.stack])

    return gate


def judge(resource: ResourceView, rule_settings: dict[str, RuleSettings]) -> list[Finding]:
    """All findings of all rules on one resource."""
    return [
        finding
        for rule in RULES.values()
        if resource.type in rule.types
        for finding in rule.check(resource, rule_settings[rule.id])
    ]
