"""What a rule is: an id, settings of its own type, and a pure function from a resource, or a stack, to findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pydantic

from infra.spec.findings import Finding
from policies.rules.subject import Subject

RUNPOD_ENDPOINT = "pilotlight-runpod:index:Endpoint"
RUNPOD_POD = "pilotlight-runpod:index:Pod"
RUNPOD_VOLUME = "pilotlight-runpod:index:NetworkVolume"
MODAL_APP = "pilotlight-modal:index:App"
WEIGHTS = "pilotlight-artifacts:index:Weights"
ENDPOINTS = frozenset({RUNPOD_ENDPOINT, MODAL_APP})
COMPUTE = frozenset({RUNPOD_ENDPOINT, RUNPOD_POD, MODAL_APP})


class Level(Enum):
    """How a rule acts: `error` refuses the resource, `warning` reports it, `off` is silent."""

    ERROR = "error"
    WARNING = "warning"
    OFF = "off"


class RuleSettings(pydantic.BaseModel):
    """The base of each rule's settings. A rule whose settings are at their defaults may have nothing to say."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    severity: Level = Level.ERROR


@dataclass(frozen=True)
class Rule:
    """One rule. `check` sees only resources whose type is in `types` (Pulumi tokens)."""

    id: str
    description: str
    types: frozenset[str]
    settings: type[RuleSettings]
    check: Callable[[Subject, Any], list[Finding]]


@dataclass(frozen=True)
class StackRule:
    """A rule over all resources of a stack together."""

    id: str
    description: str
    settings: type[RuleSettings]
    check: Callable[[Sequence[Subject], Any], list[Finding]]
