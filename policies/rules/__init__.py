"""The rules, one file each. A rule is pure: a resource's inputs and its settings in, findings out."""

from policies.rules import endpoint_ceiling, image_digest
from policies.rules.rule import Rule, RuleSettings

RULES: dict[str, Rule] = {rule.id: rule for rule in (endpoint_ceiling.RULE, image_digest.RULE)}

__all__ = ["RULES", "Rule", "RuleSettings"]
