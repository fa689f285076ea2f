"""The rules, one file each. A rule is pure: a resource (or all of a stack) and its settings in, findings out."""

from policies.rules import (
    cold_start_slo,
    endpoint_budget,
    endpoint_ceiling,
    image_digest,
    plannable,
    stack_budget,
)
from policies.rules.rule import Level, Rule, RuleSettings, StackRule
from policies.rules.subject import Context, NoPlan, Subject

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        plannable.RULE,
        endpoint_budget.RULE,
        endpoint_ceiling.RULE,
        cold_start_slo.RULE,
        image_digest.RULE,
    )
}
STACK_RULES: dict[str, StackRule] = {rule.id: rule for rule in (stack_budget.RULE,)}

__all__ = [
    "RULES",
    "STACK_RULES",
    "Context",
    "Level",
    "NoPlan",
    "Rule",
    "RuleSettings",
    "StackRule",
    "Subject",
]
