"""A closed-body validator: small rules that answer with RunPod's wording, every failure at once.

A rule takes a JSON value and its path and gives the failures. The wording is that of RunPod's validator, as observed
("$: missing property 'x'", "$: additional properties 'x' not allowed") and, for the rest, in the same manner.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Rule = Callable[[Any, str], list[str]]

_NAMES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def text(*, min_length: int = 0, pattern: str = "") -> Rule:
    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, str):
            return [_wrong_type(value, path, "string")]
        if len(value) < min_length:
            return [f"{path}: minLength: got {len(value)}, want {min_length}"]
        # JSON Schema's "$" is the very end of the text, which is \Z here.
        if pattern and not re.search(pattern.replace("$", r"\Z"), value, re.ASCII):
            return [f"{path}: '{value}' does not match pattern '{pattern}'"]
        return []

    return check


def choice(*allowed: str) -> Rule:
    wanted = " or ".join(f"'{name}'" for name in allowed)
    listed = ", ".join(f"'{name}'" for name in allowed)

    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, str):
            return [_wrong_type(value, path, "string")]
        if value in allowed:
            return []
        return [f"{path}: value must be {wanted if len(allowed) == 1 else f'one of {listed}'}"]

    return check


def integer(minimum: int | None = None, maximum: int | None = None) -> Rule:
    return _numeric("integer", minimum, maximum)


def number(minimum: float | None = None, maximum: float | None = None) -> Rule:
    return _numeric("number", minimum, maximum)


def nullable(rule: Rule, name: str) -> Rule:
    def check(value: Any, path: str) -> list[str]:
        if value is None:
            return []
        failures = rule(value, path)
        return [failure.replace(f", want {name}", f", want {name} or null") for failure in failures]

    return check


def boolean() -> Rule:
    def check(value: Any, path: str) -> list[str]:
        return [] if isinstance(value, bool) else [_wrong_type(value, path, "boolean")]

    return check


def array(item: Rule, *, min_items: int = 0, max_items: int | None = None, unique: bool = False) -> Rule:
    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, list):
            return [_wrong_type(value, path, "array")]
        failures = []
        if len(value) < min_items:
            failures.append(f"{path}: minItems: got {len(value)}, want {min_items}")
        if max_items is not None and len(value) > max_items:
            failures.append(f"{path}: maxItems: got {len(value)}, want {max_items}")
        if unique and (twins := _equal_items(value)):
            failures.append(f"{path}: items at {twins[0]} and {twins[1]} are equal")
        for index, entry in enumerate(value):
            failures += item(entry, f"{path}[{index}]")
        return failures

    return check


def mapping(item: Rule) -> Rule:
    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, dict):
            return [_wrong_type(value, path, "object")]
        return [failure for key, entry in value.items() for failure in item(entry, f"{path}.{key}")]

    return check


def closed(
    properties: Mapping[str, Rule],
    *,
    required: Sequence[str] = (),
    together: Mapping[str, str] | None = None,
    min_properties: int = 0,
) -> Rule:
    """An object with these properties and no other. `together`: a property -> the one that it needs beside it."""

    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, dict):
            return [_wrong_type(value, path, "object")]
        failures = []
        if len(value) < min_properties:
            failures.append(f"{path}: minProperties: got {len(value)}, want {min_properties}")
        missing = [name for name in required if name not in value]
        if missing:
            failures.append(f"{path}: missing {_properties(missing)}")
        unknown = [name for name in value if name not in properties]
        if unknown:
            failures.append(f"{path}: additional properties {_quoted(unknown)} not allowed")
        for name, needed in (together or {}).items():
            if name in value and needed not in value:
                failures.append(f"{path}: properties '{needed}' required, if '{name}' exists")
        for name, entry in value.items():
            if name in properties:
                failures += properties[name](entry, f"{path}.{name}")
        return failures

    return check


def parse(body: bytes) -> Any:
    """The JSON value; ValueError, also for the numbers that JSON does not have."""
    return json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)


def _numeric(kind: str, minimum: float | None, maximum: float | None) -> Rule:
    def check(value: Any, path: str) -> list[str]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return [_wrong_type(value, path, kind)]
        if kind == "integer" and value != math.floor(value):
            return [_wrong_type(value, path, kind)]
        if minimum is not None and value < minimum:
            return [f"{path}: minimum: got {_plain(value)}, want {_plain(minimum)}"]
        if maximum is not None and value > maximum:
            return [f"{path}: maximum: got {_plain(value)}, want {_plain(maximum)}"]
        return []

    return check


def _plain(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _wrong_type(value: Any, path: str, wanted: str) -> str:
    return f"{path}: got {_NAMES[type(value)]}, want {wanted}"


def _properties(names: Sequence[str]) -> str:
    return f"{'property' if len(names) == 1 else 'properties'} {_quoted(names)}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _equal_items(values: list[Any]) -> tuple[int, int] | None:
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        key = json.dumps(value, sort_keys=True)
        if key in seen:
            return seen[key], index
        seen[key] = index
    return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value
