"""Reads `policies/settings.yaml`: settings of each rule, per stack over them, and exceptions that end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import translate
from functools import cached_property
from pathlib import Path
from typing import Any

import pydantic

from infra.spec.errors import PilotlightError
from infra.spec.findings import ResourceView
from infra.spec.nearest import nearest
from policies.rules import RULES, STACK_RULES, RuleSettings

FILE = Path("policies/settings.yaml")


class SettingsError(PilotlightError):
    """The settings file is wrong, so no rule can be trusted to hold."""


class Exempt(pydantic.BaseModel):
    """A rule that does not hold for a resource, until a day, on somebody's responsibility."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    rule: str
    resource: str = pydantic.Field(min_length=1)
    """Name or URN, with * for any part; `*` for rules about the stack."""
    owner: str = pydantic.Field(min_length=1)
    reason: str = pydantic.Field(min_length=1)
    expires: date
    """The last day on which it holds."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(translate(re.sub(r"([\[?])", r"[\1]", self.resource)))

    def covers(self, rule: str, view: ResourceView | None) -> bool:
        if rule != self.rule:
            return False
        names = ("",) if view is None else (view.name, view.urn)
        if "*" not in self.resource:
            return self.resource in names
        return any(self._pattern.match(name) for name in names)


@dataclass(frozen=True)
class Settings:
    """What one stack is judged by."""

    rules: Mapping[str, RuleSettings]
    exceptions: tuple[Exempt, ...] = field(default=())


def load(root: Path | None, stack: str) -> Settings:
    """The settings for `stack`. Without a file (or a project) the defaults hold. Raises SettingsError."""
    data = {} if root is None else _read(root / FILE)
    stacks, exceptions = data.pop("stacks", None) or {}, data.pop("exceptions", None) or []
    if not isinstance(stacks, dict):
        raise SettingsError(f"{FILE}: stacks is {type(stacks).__name__}", wanted="a mapping of stack names")
    layers = [_checked(data, str(FILE)), _checked(stacks.get(stack) or {}, f"{FILE}, stack {stack}")]
    for other in stacks.keys() - {stack}:  # a mistake must not wait for the day when that stack is deployed
        own = _checked(stacks[other] or {}, f"{FILE}, stack {other}")
        for rule_id in own:
            _settings(rule_id, [layers[0], own])
    rules = {id: _settings(id, layers) for id in (*RULES, *STACK_RULES)}
    return Settings(rules, tuple(_exceptions(exceptions)))


def _settings(rule_id: str, layers: list[Mapping[str, Any]]) -> RuleSettings:
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer.get(rule_id) or {}
    model = (RULES | STACK_RULES)[rule_id].settings
    try:
        parsed: RuleSettings = model.model_validate(values)
    except pydantic.ValidationError as error:
        raise SettingsError(
            f"{FILE}: rule {rule_id}: {_problems(model, error)}", fix="correct the file"
        ) from None
    return parsed


def _problems(model: type[pydantic.BaseModel], error: pydantic.ValidationError) -> str:
    from infra.spec.parsing import problems_of  # loads the declarations' types, which no provider needs

    return "; ".join(map(str, problems_of(model, error)))


def _exceptions(given: Any) -> list[Exempt]:
    if not isinstance(given, list):
        raise SettingsError(f"{FILE}: exceptions is {type(given).__name__}", wanted="a list")
    found = []
    for index, values in enumerate(given):
        where = f"{FILE}: exceptions[{index}]"
        try:
            exempt = Exempt.model_validate(values)
        except pydantic.ValidationError as error:
            raise SettingsError(
                f"{where}: {_problems(Exempt, error)}",
                wanted="rule, resource, owner, reason and expires (a date)",
            ) from None
        _known(exempt.rule, where)
        found.append(exempt)
    return found


def _checked(rules: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(rules, dict):
        raise SettingsError(f"{where} is {type(rules).__name__}", wanted="a mapping of rule ids to settings")
    for rule_id, settings in rules.items():
        _known(str(rule_id), where)
        if settings is not None and not isinstance(settings, dict):
            raise SettingsError(
                f"{where}: rule {rule_id} has {type(settings).__name__}", wanted="a mapping of settings"
            )
    return rules


def _known(rule_id: str, where: str) -> None:
    ids = [*RULES, *STACK_RULES]
    if rule_id not in ids:
        close = nearest(rule_id, ids)
        raise SettingsError(
            f"{where}: no rule {rule_id!r}",
            wanted=f"one of: {', '.join(ids)}",
            fix=f"did you mean {close[0]}?" if close else "",
        )


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text, loader = path.read_text(encoding="utf-8"), _loader()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise SettingsError(
                f"{path} has an alias (*…), which can stand for more than any machine holds",
                wanted="each value written out",
            )
        data = yaml.load(text, loader)
    except FileNotFoundError:
        return {}
    except RecursionError:
        raise SettingsError(
            f"{path} cannot be read: it is nested too deeply", fix="correct the file"
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", fix="correct the file") from None
    if data is not None and not isinstance(data, dict):
        raise SettingsError(f"{path} is {type(data).__name__}", wanted="a mapping of rule ids to settings")
    return data or {}


def _loader() -> type:
    """Safe values only, and no key twice: the second would silently take the place of the first."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.YAMLError(f"{key.value} is there twice (line {key.start_mark.line + 1})")
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader
