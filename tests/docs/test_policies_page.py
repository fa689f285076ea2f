"""docs/policies.md tells every rule and every setting as they are."""

import ast
import inspect
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from policies.rules import RULES, STACK_RULES
from policies.rules.rule import COMPUTE, ENDPOINTS, Rule, RuleSettings, StackRule
from policies.settings import load

PAGE = Path(__file__).resolve().parents[2] / "docs/policies.md"
WORDS = {
    ENDPOINTS: "endpoints",
    COMPUTE: "endpoints, pods",
    COMPUTE | {"pilotlight-runpod:index:NetworkVolume"}: "endpoints, pods, volumes",
    frozenset({"pilotlight-modal:index:App"}): "apps on Modal",
    frozenset({"pilotlight-runpod:index:Endpoint"}): "endpoints on RunPod",
    frozenset(
        {"pilotlight-runpod:index:Endpoint", "pilotlight-runpod:index:Pod"}
    ): "endpoints and pods on RunPod",
    frozenset({"pilotlight-artifacts:index:Weights"}): "weights",
}
ALL: dict[str, Rule | StackRule] = {**RULES, **STACK_RULES}


def rule_rows() -> list[str]:
    rows = []
    for rule in ALL.values():
        holds = WORDS[rule.types] if isinstance(rule, Rule) else "the stack"
        own = set(rule.settings.model_fields) - {"severity"}
        limits = [
            name
            for name in own
            if name.startswith("max_usd") or name in ("classes", "tags", "runpod", "gpus")
        ]
        free = limits and all(not rule.settings.model_fields[name].get_default() for name in limits)
        declared = rule.id in ("endpoint-budget", "worker-quota", "stack-workers", "volume-place")
        level = rule.settings().severity.value
        rows.append(
            f"| `{rule.id}` | {holds} | {level}{', off until set' if free and not declared else ''} | {rule.description} |"
        )
    return rows


def setting_rows() -> list[str]:
    rows = []
    for rule in ALL.values():
        for name, field in rule.settings.model_fields.items():
            if name not in RuleSettings.model_fields:
                rows.append(
                    f"| `{rule.id}` | `{name}` | {shown(field.get_default())} | {explained(rule, name)} |"
                )
    return rows


def explained(rule: Rule | StackRule, name: str) -> str:
    """The docstring under a setting, in the rule's own source."""
    [settings] = ast.parse(inspect.getsource(rule.settings)).body
    assert isinstance(settings, ast.ClassDef)
    for field, after in pairwise(settings.body):
        if (
            isinstance(field, ast.AnnAssign)
            and ast.unparse(field.target) == name
            and isinstance(after, ast.Expr)
        ):
            assert isinstance(after.value, ast.Constant)
            return " ".join(str(after.value.value).split())
    return ""


def shown(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    return f"`{str(value.value if isinstance(value, Enum) else value).lower() if isinstance(value, bool) else value}`"


def table(head: str) -> list[str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(head) + 2
    return lines[start : next(n for n in range(start, len(lines)) if not lines[n].startswith("|"))]


def test_every_rule_is_in_the_table() -> None:
    assert table("| rule | holds for | default | what it asks |") == rule_rows()


def test_every_setting_is_in_the_table() -> None:
    assert table("| rule | setting | default | meaning |") == setting_rows()


def test_the_examples_are_settings_that_load(tmp_path: Path) -> None:
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    for index, block in enumerate(blocks):
        text = block.partition("```")[0]
        root = tmp_path / str(index)
        (root / "policies").mkdir(parents=True)
        (root / "policies/settings.yaml").write_text(text)
        found = load(root, "prod")
        assert found != load(None, "prod"), text
        assert yaml.safe_load(text)


def test_every_setting_is_explained() -> None:
    for rule in ALL.values():
        for name in rule.settings.model_fields:
            assert name in RuleSettings.model_fields or explained(rule, name), (rule.id, name)
