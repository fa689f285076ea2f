"""What RunPod has against what is declared, for container settings: lists are sets, and a mark alone is no difference."""

from typing import Any

from infra.catalog.model import squeeze
from infra.runpod import marks

Raw = dict[str, Any]

_SETS = frozenset({"ports", "dataCenterIds", "networkVolumes", "allowedCudaVersions"})


def patch_of(current: Raw, desired: Raw) -> Raw:
    """What must be sent so that `current` becomes `desired`; empty when it already is.

    The mark alone is no reason to send an environment: that would restart what is imported.
    """
    patch: Raw = {}
    for field, wanted in desired.items():
        have = normal(field, current.get(field))
        if field == "env":
            same = marks.without(wanted) == marks.without(have)
        else:
            same = covers(have, normal(field, wanted))
        if not same:
            patch[field] = wanted
    return patch


def normal(field: str, value: Any) -> Any:
    """A form in which equal meanings are equal values."""
    if field in _SETS:
        return sorted(value or [])
    if field == "registry":
        return value or None
    if field == "args":
        return value or ""
    return value


def covers(have: Any, wanted: Any) -> bool:
    """Whether `have` already says all that `wanted` says; in an object it may say more."""
    if isinstance(wanted, dict) and isinstance(have, dict):
        return all(have.get(key) == value for key, value in wanted.items())
    return bool(have == wanted)


def as_given(found: list[str] | None, given: list[str] | None) -> list[str]:
    """`given` when it means the same set, so that order and spacing are never a difference."""
    found = found or []
    if given is not None and sorted(map(squeeze, found)) == sorted(map(squeeze, given)):
        return given
    return found
