"""What a simulation is given and what it gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Rule = Literal["request_count", "queue_delay"]


class Boot(NamedTuple):
    """One start of a worker: seconds until it takes a request, and how many of them are not billed."""

    seconds: float
    unbilled: float = 0.0


@dataclass(frozen=True)
class Policy:
    """How a cloud scales one endpoint.

    `rule` "request_count": one worker for every `value` requests in the system (Modal: `value` = `concurrency`);
    "queue_delay": one more each time the head of the queue has waited `value` seconds, the first at once. Boots are
    never cancelled. A worker ends when it has been idle for exactly `idle_timeout_s`, down to `minimum`. `buffer`:
    spare workers while there is any request (Modal). `rates[n-1]`: speed of each of n requests that share a worker,
    relative to one alone; the last entry holds for more.
    """

    minimum: int = 0
    maximum: int = 3
    idle_timeout_s: float = 60.0
    rule: Rule = "request_count"
    value: float = 1.0
    concurrency: int = 1
    buffer: int = 0
    rates: Sequence[float] = (1.0,)
    pick: Literal["least", "fullest"] = "least"
    """Which of the workers with room takes a request: the emptiest (RunPod) or the fullest (Modal); then the oldest."""
    whole_seconds: bool = True
    """Whether each worker's run is billed in whole seconds, a started one in full."""
    stop_s: float = 0.0
    """Seconds that a worker takes to stop once it is let go. They are billed, and it takes no request in them."""
    caps: Sequence[tuple[float, int]] = ()
    """(time, new maximum): what RunPod does to endpoints that nobody calls."""


@dataclass(frozen=True)
class Outcome:
    """`billed_s`: worker-seconds on the bill within the horizon. `busy_s`: those in which a worker serves. `boots`:
    starts of workers. `cold`: requests that waited for a worker to start and were its first. `waits`: seconds from
    each request to a worker taking it, in order; inf for one that no worker ever took."""

    billed_s: float
    busy_s: float
    boots: int
    cold: int
    waits: Sequence[float]
    peak: int

    @property
    def requests(self) -> int:
        return len(self.waits)

    @property
    def cold_share(self) -> float:
        return self.cold / len(self.waits) if self.waits else 0.0

    def wait(self, *shares: float) -> list[float]:
        """Quantiles of the waits: the smallest that at least this share of requests does not exceed."""
        ordered = sorted(self.waits)
        if not ordered:
            return [0.0 for _ in shares]
        return [
            ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))] for share in shares
        ]
