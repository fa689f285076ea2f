"""What a plan says. Money is `Decimal` US dollars a month of 730 hours, times are seconds, shares are 0..1."""

from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any

from infra.spec.scaling import Scaler, Workers


@dataclass(frozen=True)
class Cost:
    """`floor`: only the always-on workers; `ceiling`: all workers all month. Between them what the traffic asks for:
    `expected`, and `low` and `high` at the ends of its interval; None when nothing is known of the traffic."""

    floor: Decimal
    ceiling: Decimal
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def pessimistic(self) -> Decimal:
        """What a budget is held against: the high end, or the ceiling where no traffic is known."""
        return self.ceiling if self.high is None else self.high


@dataclass(frozen=True)
class Spread:
    """Quantiles in seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Phase:
    """One part of a cold start: "acquire" a machine, the "image", the "weights", the "load"."""

    name: str
    p50: float
    p95: float
    note: str = ""


@dataclass(frozen=True)
class ColdStart:
    """From a request that finds no worker to the worker taking it. `hit_rate`: the share of starts that FlashBoot
    makes fast, as assumed here; None where there is no such thing."""

    p50: float
    p95: float
    phases: tuple[Phase, ...]
    hit_rate: float | None = None


@dataclass(frozen=True)
class VramFit:
    """Memory of the worker's cards in GB (10^9 bytes). `max_sequences` at full context; None unless a language model."""

    fits: bool
    needed_gb: float
    usable_gb: float
    max_sequences: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class EndpointPlan:
    """What one placed endpoint will cost and how it will answer."""

    name: str
    cloud: str
    kind: str
    """ "serverless", or "pod_secure" for an always-on machine."""
    gpu: str | None
    gpu_count: int
    workers: Workers
    idle_timeout_s: int
    scaler: Scaler | None
    """None on Modal, which has its own."""
    fast_boot: bool
    usd_per_worker_hour: Decimal
    price_book: str
    cost: Cost
    cold_start: ColdStart
    """At the estimated FlashBoot hit rate."""
    cold_start_worst: ColdStart
    """At a hit rate of 0: what an SLO is held against. The same where there is no FlashBoot."""
    basis: str | None = None
    """ "trace", "profile" or "rate (a guess)"; None without traffic."""
    waits: Spread | None = None
    waits_worst: Spread | None = None
    """At a FlashBoot hit rate of 0, the longest of the ends of the traffic's interval and its middle."""
    cold_share: float | None = None
    """Requests that wait for a worker to start, of all."""
    cold_share_worst: float | None = None
    """The largest over the interval, as for `waits_worst`."""
    utilisation: float | None = None
    """Share of billed seconds in which a worker serves."""
    vram: VramFit | None = None
    seconds_per_request: float | None = None
    requests_per_month: int | None = None
    longest_silence_s: float | None = None
    """The longest time without a request."""
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """What is not known and was assumed: "sizes.image_bytes", "traffic", …"""
    breaches: tuple[str, ...] = ()
    """What of the SLO and the budget it misses, in words with both numbers."""

    def as_data(self) -> dict[str, Any]:
        """JSON-ready: money as text."""
        data: dict[str, Any] = _plain(self)
        return data


@dataclass(frozen=True)
class Refused:
    """A candidate that was not chosen, and why."""

    candidate: str
    reason: str
    usd_per_month: Decimal | None = None


@dataclass(frozen=True)
class Point:
    """One candidate on the plot of cost against waiting time."""

    candidate: str
    usd_per_month: Decimal
    wait_p95_s: float
    meets_slo: bool
    on_frontier: bool = False
    chosen: bool = False


@dataclass(frozen=True)
class Placement:
    """The answer of the search. `chosen` is None when nothing meets the SLO: `best_effort` is then the nearest."""

    chosen: EndpointPlan | None
    best_effort: EndpointPlan | None
    alternatives: tuple[EndpointPlan, ...]
    refused: tuple[Refused, ...]
    frontier: tuple[Point, ...]
    reasons: tuple[str, ...]
    """In the words of the decision matrix."""
    candidates: int
    """How many were considered, those pruned without loss included."""
    notes: tuple[str, ...] = field(default=())

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = _plain(self)
        return data


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value
