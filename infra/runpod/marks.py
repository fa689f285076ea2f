"""Where our mark lives in RunPod: in an environment, or behind a name or a description where there is none.

Endpoints, templates and pods have an environment. Network volumes, registry credentials and secrets only have words.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from infra.kit import InTheWay, Mark

MARK_KEY = "PILOTLIGHT_MARK"
"""The environment variable that carries our mark."""

LONGEST_NAME = 191
"""Characters of a name in RunPod's database (REST v1's schema of 2026-08)."""

LONGEST_MARKED_NAME = LONGEST_NAME - 32
"""Characters of a name that a mark is written behind."""

_MARKED = re.compile(r"(?:(?P<text>.*)[- ])?(?P<mark>pl-[a-z2-7]{8}-[a-z2-7]{10}-[a-z2-7]{8})", re.DOTALL)


def write(text: str, mark: Mark | str, separator: str = "-") -> str:
    return f"{text}{separator}{mark}" if text else str(mark)


def read(text: str | None) -> tuple[str, str]:
    """What stands before the mark, and the mark; "" where there is none."""
    found = _MARKED.fullmatch(text or "")
    return (found["text"] or "", found["mark"]) if found else (text or "", "")


def of_environment(raw: dict[str, Any]) -> str:
    return str((raw.get("env") or {}).get(MARK_KEY, ""))


def of_name(raw: dict[str, Any]) -> str:
    return read(raw["name"])[1]


def ours(
    raws: Iterable[dict[str, Any]],
    mark: Mark,
    name: str | None,
    word: str,
    *,
    mark_of: Callable[[dict[str, Any]], str] = of_environment,
    unique: bool = False,
) -> dict[str, Any] | None:
    """The one that carries exactly `mark`. Raises InTheWay for another of our name.

    An earlier generation of the same resource is not in the way, as it is about to be replaced; where names are `unique` it
    is.
    """
    raws = [*raws]
    for raw in raws:
        if mark_of(raw) == str(mark):
            return raw
    for raw in raws:
        visible = raw["name"] if mark_of is of_environment else read(raw["name"])[0]
        if visible == name and (unique or not same_resource(mark_of(raw), mark)):
            raise InTheWay(raw["id"], f'RunPod {word} "{visible}" ({raw["id"]})')
    return None


def without(env: dict[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (env or {}).items() if key != MARK_KEY}


def same_resource(text: str, mark: Mark) -> bool:
    """Whether a mark found in the cloud is an earlier generation of this very resource, about to be replaced."""
    found = Mark.parse(text)
    return found is not None and (found.instance, found.urn_hash) == (mark.instance, mark.urn_hash)
