"""Reads `policies/settings.yaml`: settings of each rule, and per stack over them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from infra.spec.errors import PilotlightError
from infra.spec.nearest import nearest
from infra.spec.parsing import problems_of
from policies.rules import RULES, RuleSettings

FILE = Path("policies/settings.yaml")


class SettingsError(PilotlightError):
    """The settings file is wrong, so no rule can be trusted to hold."""


def load(root: Path | None, stack: str) -> dict[str, RuleSettings]:
    """Each rule's settings for `stack`. Without a file (or a project) the defaults hold. Raises SettingsError."""
    data = {} if root is None else _read(root / FILE)
    stacks = data.pop("stacks", None) or {}
    layers = [_checked(data, str(FILE)), _checked(stacks.get(stack) or {}, f"{FILE}, stack {stack}")]
    return {id: _settings(id, layers) for id in RULES}


def _settings(rule_id: str, layers: list[Mapping[str, Any]]) -> RuleSettings:
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer.get(rule_id) or {}
    model = RULES[rule_id].settings
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        problems = "; ".join(map(str, problems_of(model, error)))
        raise SettingsError(f"{FILE}: rule {rule_id}: {problems}", fix="correct the file") from None


def _checked(rules: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(rules, dict):
        raise SettingsError(f"{where} is {type(rules).__name__}", wanted="a mapping of rule ids to settings")
    for rule_id, settings in rules.items():
        if rule_id not in RULES:
            close = nearest(str(rule_id), RULES)
            raise SettingsError(
                f"{where}: no rule {rule_id!r}",
                wanted=f"one of: {', '.join(RULES)}",
                fix=f"did you mean {close[0]}?" if close else "",
            )
        if settings is not None and not isinstance(settings, dict):
            raise SettingsError(f"{where}: rule {rule_id} has {settings!r}", wanted="a mapping of settings")
    return rules


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", fix="correct the file") from None
    if data is not None and not isinstance(data, dict):
        raise SettingsError(f"{path} is {type(data).__name__}", wanted="a mapping of rule ids to settings")
    return data or {}
