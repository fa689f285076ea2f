"""What a rule is: an id, settings of its own type, and a pure function from a resource to findings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic

from infra.spec.findings import Finding, ResourceView


class RuleSettings(pydantic.BaseModel):
    """The base of each rule's settings. A rule whose settings are at their defaults may have nothing to say."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class Rule:
    """One rule. `check` sees only resources whose type is in `types` (Pulumi tokens)."""

    id: str
    description: str
    types: frozenset[str]
    settings: type[RuleSettings]
    check: Callable[[ResourceView, Any], list[Finding]]
