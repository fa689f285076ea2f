"""Validation errors in the user's words: what is, what was wanted, what to do, each at its property path."""

import difflib
import enum
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from infra.kit.model import Model, Shape, by_wire, specs
from infra.kit.resource import Failure
from infra.kit.wire import Path, Secret, show_path, wrap
from infra.spec.findings import UNKNOWN

NOT_SET = "required, but not set"
NO_PROPERTY = "there is no property"

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a string",
    "list": "a list",
    "dict": "a map",
    "set": "a list",
    "decimal": "a decimal number",
}
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "at most {}"),
    "multiple_of": ("multiple_of", "a multiple of {}"),
    "string_too_short": ("min_length", "at least {} characters"),
    "string_too_long": ("max_length", "at most {} characters"),
    "too_short": ("min_length", "at least {} items"),
    "too_long": ("max_length", "at most {} items"),
    "string_pattern_mismatch": ("pattern", "something that matches {}"),
}


def explain(
    model: type[Model], error: ValidationError, tree: Any, secrets: Iterable[Path]
) -> list[tuple[Path, Failure]]:
    """Every error of a validation, with the place in the tree that it is about."""
    masked = wrap(tree, secrets)
    found: list[tuple[Path, Failure]] = []
    for item in error.errors(include_url=False, include_input=False):
        path, shape, owner = _place(model, item["loc"])
        if _at(tree, path[:-1]) is UNKNOWN:
            continue  # a known sibling stood in for it, and is reported in its own place
        value = _show(_at(masked, path))
        found.append((path, Failure(show_path(path), _reason(dict(item), value, path, shape, owner))))
    return _one_each(found)


def unknown_key(key: str, model: type[Model]) -> str:
    """Why a property is refused that the model does not have."""
    names = [spec.wire for spec in specs(model) if not spec.meta.computed]
    near = nearest(key, names)
    fix = f"did you mean {near}?" if near else f"the properties are {', '.join(names)}"
    return f"{NO_PROPERTY} {key!r}. Wanted: a known property. Fix: {fix}"


def nearest(text: str, names: Iterable[str], count: int = 3) -> str:
    """The closest names, quoted and joined by `or`; "" if nothing is close."""
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(text.lower(), lower, n=count, cutoff=0.5)
    starts = [name for name in lower if text and name.startswith(text.lower()) and name not in close]
    return " or ".join(repr(lower[name]) for name in [*close, *starts][:count])


def _reason(item: dict[str, Any], value: str, path: Path, shape: Shape, owner: type[Model]) -> str:
    kind, details = str(item["type"]), item.get("ctx") or {}
    name = str(path[-1]) if path else "this"
    if kind == "missing":
        spec = by_wire(owner).get(name)
        what = f" ({spec.info.description})" if spec and spec.info.description else ""
        return f"{NOT_SET}. Wanted: {_wanted(shape)}{what}. Fix: set {name}"
    if kind == "extra_forbidden":
        return unknown_key(name, owner)
    if kind in ("enum", "literal_error"):
        return _not_a_choice(value, _choices(shape.leaf))
    if kind in _BOUNDS:
        key, phrase = _BOUNDS[kind]
        bound = phrase.format(details.get(key))
        return f"is {value}. Wanted: {bound}. Fix: change {name}"
    if kind in ("value_error", "assertion_error"):
        return f"is {value}. {str(details.get('error', item['msg'])).removesuffix('.')}"
    if kind == "model_type":
        return f"is {value}. Wanted: an object with {', '.join(by_wire(shape.model or owner))}"
    for prefix, text in _KINDS.items():
        if kind.startswith(prefix):
            return f"is {value}. Wanted: {text}. Fix: change {name}"
    return f"is {value}. Wanted: {_wanted(shape)}. {item['msg']}"


def _not_a_choice(value: str, choices: list[str]) -> str:
    near = nearest(value.strip("'"), choices) if value != "[secret]" else ""
    fix = f" Fix: did you mean {near}?" if near else ""
    return f"is {value}. Wanted: one of {', '.join(choices)}.{fix}"


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(arg) for arg in get_args(annotation)]
    if get_origin(annotation) in (Union, types.UnionType):
        return [choice for arg in get_args(annotation) for choice in _choices(arg)]
    return []


def _wanted(shape: Shape) -> str:
    if shape.kind == "model":
        return "an object"
    if shape.kind in ("list", "set"):
        return "a list"
    if shape.kind == "map":
        return "a map"
    choices = _choices(shape.leaf)
    if choices:
        return f"one of {', '.join(choices)}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return names.get(shape.leaf, "a value")


def _place(model: type[Model], loc: tuple[int | str, ...]) -> tuple[Path, Shape, type[Model]]:
    """A pydantic location as a wire path: field names may come in either spelling, union tags are dropped."""
    path: list[str | int] = []
    shape, owner = Shape("model", model=model), model
    for part in loc:
        if shape.kind == "model" and shape.model is not None:
            owner = shape.model
            spec = by_wire(owner).get(str(part)) or next((s for s in specs(owner) if s.name == part), None)
            path.append(spec.wire if spec else part)
            shape = spec.shape if spec else Shape("leaf")
        elif shape.kind in ("list", "set", "map") and shape.item is not None and part != "[key]":
            path.append(part)
            shape = shape.item
    return tuple(path), shape, owner


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        if isinstance(tree, Secret) or tree is UNKNOWN:
            return tree
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"


def _one_each(found: list[tuple[Path, Failure]]) -> list[tuple[Path, Failure]]:
    """A union reports each of its arms: keep the first word on a place."""
    seen: set[Path] = set()
    return [item for item in found if not (item[0] in seen or seen.add(item[0]))]  # type: ignore[func-returns-value]
