"""What a policy rule sees and says: the vocabulary shared by rules, provider gates, reports and the pack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Unknown:
    """The type of `UNKNOWN`: a value that a preview cannot know yet."""

    _instance: "Unknown | None" = None

    def __new__(cls) -> "Unknown":
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Severity(Enum):
    """How a finding acts: `ERROR` refuses the resource, `WARNING` is reported, `DEFERRED` is proved at `up`."""

    ERROR = "error"
    WARNING = "warning"
    DEFERRED = "deferred"


@dataclass(frozen=True)
class ResourceView:
    """One resource as a rule sees it: its inputs in wire names (camelCase), unknown values as `UNKNOWN`.

    `secrets` are the places of secret values in the inputs, such as `("env", "TOKEN")`; None where nobody can tell.
    """

    type: str
    urn: str
    name: str
    stack: str
    project: str
    inputs: Mapping[str, Any]
    secrets: frozenset[tuple[str | int, ...]] | None = None


@dataclass(frozen=True)
class Finding:
    """What a rule says of a resource: at `path` (wire form, "" = the whole resource), why, and how to mend it."""

    rule: str
    path: str
    message: str
    fix: str = ""
    severity: Severity = Severity.ERROR
    data: Mapping[str, Any] = field(default_factory=dict)


Gate = Callable[[ResourceView], list[Finding]]
