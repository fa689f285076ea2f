"""What a report says. Data only: every renderer reads these, and nothing else. Money is US dollars a month, times are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from infra.planning.plan import EndpointPlan, Point
from infra.spec.expectations import Slo

SCHEMA = 1
ROLL_UP = "_roll-up"
"""The stack's name in the marker of a comment about several."""


class Verdict(Enum):
    """`BLOCKED`: a policy refuses it. `FAILED`: the preview did not come to its end, so nothing is proved."""

    OK = "ok"
    BLOCKED = "blocked"
    FAILED = "failed"


class Basis(Enum):
    """What the changes are told from: the engine's preview over the stack's state, or the declarations of base and head."""

    ENGINE = "engine"
    DECLARATIONS = "declarations"


@dataclass(frozen=True)
class Diff:
    """One property. `kind` is the engine's: add, delete, update, or any of them with `-replace`. Values are for people:
    short, "" where there is none, and never those of an environment, a credential or a secret."""

    path: str
    kind: str
    before: str
    after: str

    @property
    def replaces(self) -> bool:
        return self.kind.endswith("-replace")


@dataclass(frozen=True)
class Change:
    """What happens to one resource. `op`: create, update, replace, delete or import."""

    op: str
    urn: str
    type: str
    name: str
    diffs: tuple[Diff, ...] = ()
    custom: bool = True
    """Whether there is something in a cloud behind it; a component has not."""


@dataclass(frozen=True)
class Diagnostic:
    """What the engine or the program said; `severity` is error, warning or info#err."""

    severity: str
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Violation:
    """What a policy pack said through the engine; `level` as for findings."""

    policy: str
    pack: str
    level: str
    message: str
    urn: str


@dataclass(frozen=True)
class Judgement:
    """One finding on one resource, or on the stack (`urn` is then empty). `level`: error, warning, or deferred to `up`.

    `source`: file relative to the project and line where the program declares the resource. `pack`: of the engine; "" for
    the rules of this project.
    """

    policy: str
    level: str
    message: str
    fix: str = ""
    path: str = ""
    resource: str = ""
    type: str = ""
    urn: str = ""
    source: tuple[str, int] | None = None
    pack: str = ""


@dataclass(frozen=True)
class Met:
    """One resource (or the stack, with "" for all of it) and the ids of the rules that it was judged by."""

    urn: str
    type: str
    name: str
    rules: tuple[str, ...]
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Side:
    """An endpoint as one side declares it; `why` says why there is no plan."""

    plan: EndpointPlan | None
    slo: Slo | None = None
    why: str = ""


@dataclass(frozen=True)
class Endpoint:
    """Before and after. `change`: new, changed, removed, same, or unknown where head does not run. `deployed` is given where the state has another than the
    base declares. `points`: what else it could be, for the plot; empty unless asked for."""

    name: str
    change: str
    before: Side | None
    after: Side | None
    deployed: Side | None = None
    points: tuple[Point, ...] = ()
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Money:
    """Of all endpoints of one side together; `expected` is None where one of them has no known traffic."""

    floor: Decimal
    expected: Decimal | None
    ceiling: Decimal


@dataclass(frozen=True)
class Book:
    """The price table that costs were reckoned with, and how old it was."""

    name: str
    as_of: str
    age_days: int


@dataclass(frozen=True)
class StackReport:
    """Everything about one stack. `base` and `head` are commits, "" where there is none."""

    project: str
    stack: str
    verdict: Verdict
    basis: Basis
    head: str = ""
    base: str = ""
    reason: str = ""
    """Why it failed, or why only declarations were compared."""
    endpoints: tuple[Endpoint, ...] = ()
    before: Money | None = None
    after: Money | None = None
    judgements: tuple[Judgement, ...] = ()
    checked: int = 0
    pairs: int = 0
    """How many times a rule and a resource met, and how many of these were proved."""
    met: tuple[Met, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    """Description of each rule, by id."""
    changes: tuple[Change, ...] = ()
    compared: bool = True
    """Whether there was anything to compare with: a state, or a base."""
    unchanged: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    unknown_events: Mapping[str, int] = field(default_factory=dict)
    broken_lines: int = 0
    notes: tuple[str, ...] = ()
    book: Book | None = None
    digest: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def errors(self) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.level == "error")

    @property
    def warnings(self) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.level == "warning")

    def counts(self) -> dict[str, int]:
        """How many resources have each operation; components are not counted."""
        found: dict[str, int] = {}
        for change in self.changes:
            if change.custom:
                found[change.op] = found.get(change.op, 0) + 1
        return found


@dataclass(frozen=True)
class Report:
    """All stacks that one run looked at."""

    project: str
    stacks: tuple[StackReport, ...]
    head: str = ""
    base: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {stack.verdict for stack in self.stacks}
        return next((one for one in (Verdict.FAILED, Verdict.BLOCKED) if one in found), Verdict.OK)
