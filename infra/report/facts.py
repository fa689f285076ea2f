"""What a report of one stack is made of: the engine's stream, both programs with plans, and what the rules said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.report.events import Stream
from infra.report.model import Book, Diagnostic, Judgement, Met, Side


@dataclass(frozen=True)
class Resource:
    """One resource as a program declares it."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Mapping[str, Any]
    source: tuple[str, int] | None = None
    secrets: frozenset[tuple[str | int, ...]] | None = None
    """Places of secrets in the inputs; None where nobody can tell."""
    complete: bool = False
    """Whether a provider has checked the inputs and filled in what it adds."""


@dataclass(frozen=True)
class Planned:
    """One endpoint of a program: what it says it is for, and its plan."""

    intent: Mapping[str, Any]
    side: Side
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Declared:
    """One side: what its program declares, with plans. `why` is why there is nothing, where the program does not run."""

    resources: Sequence[Resource] = ()
    endpoints: Mapping[str, Planned] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """What the rules said of head, and which of them met which resource. `rules`: their descriptions by id."""

    judgements: Sequence[Judgement] = ()
    met: Sequence[Met] = ()
    rules: Mapping[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """How many times a rule and a resource met."""
        return sum(len(one.rules) for one in self.met)


@dataclass(frozen=True)
class Facts:
    """Everything that a report of one stack is made of. `stream` is None when the engine was not asked or not there, and
    `no_engine` then says why; `said` is what it wrote beside its events. `deployed`: endpoints as the state has them.
    `declared`: inputs by URN as the program gives them, which two runs have in common; those of `head` may be completed."""

    project: str
    stack: str
    head: Declared
    base: Declared | None = None
    judged: Judged = field(default_factory=Judged)
    stream: Stream | None = None
    no_engine: str = ""
    fresh: bool = False
    """Whether the stack is not there yet: then everything is to be created."""
    said: Sequence[Diagnostic] = ()
    deployed: Mapping[str, Planned] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    points: Mapping[str, Any] = field(default_factory=dict)
    book: Book | None = None
    head_commit: str = ""
    base_commit: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float = 0.0
