"""The rules, one file each. A rule is pure: a resource (or all of a stack) and its settings in, findings out."""

from policies.rules import (
    always_on,
    cold_start_slo,
    endpoint_auth,
    endpoint_budget,
    endpoint_ceiling,
    gpu_allow_list,
    idle_window,
    image_digest,
    plaintext_secret,
    plannable,
    price_book_age,
    regions,
    required_tags,
    runpod_idle_down,
    scale_to_zero_slo,
    stack_budget,
    stack_workers,
    volume_place,
    vram_fit,
    wait_slo,
    weights_format,
    worker_quota,
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
        wait_slo.RULE,
        scale_to_zero_slo.RULE,
        idle_window.RULE,
        always_on.RULE,
        vram_fit.RULE,
        gpu_allow_list.RULE,
        worker_quota.RULE,
        volume_place.RULE,
        regions.RULE,
        runpod_idle_down.RULE,
        image_digest.RULE,
        weights_format.RULE,
        endpoint_auth.RULE,
        plaintext_secret.RULE,
        required_tags.RULE,
    )
}
STACK_RULES: dict[str, StackRule] = {
    rule.id: rule for rule in (stack_budget.RULE, stack_workers.RULE, price_book_age.RULE)
}

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
