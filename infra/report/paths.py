"""Property paths as the engine writes them (`env["A.B"]`, `workers.max`, `list[0]`), and values at them in few words."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.spec.findings import UNKNOWN

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_GUARDED = re.compile(
    r"^(?:env|environment|environ|headers|secrets?)$|token|secret|passw|credential|passphrase|api_?key|private_?key|access_?key|_key$|authorization",
    re.IGNORECASE,
)
_LONGEST = 80
HIDDEN = "[hidden]"
ABSENT = ""


def steps(path: str) -> list[str]:
    """The parts of a path; indices as text."""
    return [
        quoted.replace('\\"', '"') if quoted else index or name for quoted, index, name in _STEP.findall(path)
    ]


def at(tree: Any, path: str) -> Any:
    """The value at `path`, or None."""
    for step in steps(path):
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return None
    return tree


def shown(path: str, value: Any) -> str:
    """`value` for people. What stands at a place of credentials or in an environment is never shown, only that it is there."""
    if value is None:
        return ABSENT
    if _is_secret(value):
        return "[secret]"
    if any(_GUARDED.search(step) for step in steps(path)):
        return HIDDEN
    if value is UNKNOWN or value == _UNKNOWN_TEXT:
        return "known at up"
    if isinstance(value, Mapping):
        return f"{{{len(value)} fields}}"
    if isinstance(value, list):
        whole = json.dumps(value, default=str) if all(isinstance(one, int | float) for one in value) else ""
        return whole if 0 < len(whole) <= _LONGEST else f"[{len(value)} items]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def decoded(tree: Any) -> Any:
    """Inputs as the engine prints them, as rules see them: what is not known yet, and what is secret, is `UNKNOWN`."""
    if isinstance(tree, Mapping):
        return (
            UNKNOWN
            if _is_secret(tree)
            else {str(key): decoded(value) for key, value in tree.items() if value is not None}
        )
    if isinstance(tree, list):
        return [decoded(value) for value in tree]
    if isinstance(tree, float) and tree.is_integer():
        return int(tree)
    return UNKNOWN if tree == _UNKNOWN_TEXT else tree


def secret_places(tree: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where secrets stand in inputs as the engine prints them."""
    if _is_secret(tree):
        yield at
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from secret_places(value, (*at, str(key)))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from secret_places(value, (*at, index))


def leaves(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of each place where two trees differ; None where there is nothing."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from leaves(before.get(key), after.get(key), _joined(path, str(key)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from leaves(one, other, f"{path}[{index}]")
    elif not _same(before, after):
        yield path, before, after


def _joined(path: str, key: str) -> str:
    if not re.fullmatch(r"[\w\-]+", key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def _same(before: Any, after: Any) -> bool:
    return before is after or (type(before) is type(after) and before == after)


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET
