"""What things that are paid by standing there have cost: pods, clusters and network volumes, at rates that may change."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.store import Store


@dataclass(frozen=True)
class Span:
    """One time at one rate. `rates`: component ("gpu", "disk", …) -> USD per second."""

    id: str
    start: float
    end: float
    rates: dict[str, Decimal]


class Ledger:
    """Entries stay when what they are for is deleted. An open one counts up to now, over restarts too: RunPod bills what
    is declared to run, whatever its container does."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._kv = store.kv("runpod.ledger")
        self._clock = clock

    def open(self, kind: str, id: str, rates: dict[str, Decimal]) -> None:
        """From now on it costs this much; what it cost before ends."""
        self.close(kind, id)
        entry = {"start": self._clock.now(), "end": None, "rates": {k: str(v) for k, v in rates.items()}}
        self._kv.put(self._key(kind, id), entry)

    def close(self, kind: str, id: str) -> None:
        key = self._key(kind, id)
        entry = self._kv.get(key)
        if entry is None:
            return
        now = self._clock.now()
        if now > entry["start"]:
            self._kv.put(f"{key}/{entry['start']:.3f}", entry | {"end": now})
        self._kv.delete(key)

    def rates(self, kind: str, id: str) -> dict[str, Decimal]:
        """What it costs now; nothing when it is not open."""
        entry = self._kv.get(self._key(kind, id)) or {"rates": {}}
        return {name: Decimal(rate) for name, rate in entry["rates"].items()}

    def spans(self, kind: str, start: float, end: float) -> Iterator[Span]:
        """The parts between; a started second is billed in full."""
        for key, entry in self._kv.items():
            of_kind, id = key.split("/")[:2]
            stopped = self._clock.now() if entry["end"] is None else entry["end"]
            stopped = entry["start"] + math.ceil(round(stopped - entry["start"], 3))
            first, last = max(start, entry["start"]), min(end, stopped)
            if of_kind == kind and first < last:
                yield Span(id, first, last, {k: Decimal(v) for k, v in entry["rates"].items()})

    def _key(self, kind: str, id: str) -> str:
        return f"{kind}/{id}"
