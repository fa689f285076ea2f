"""The meter: what workers have cost, by the second, at the catalog's prices."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import Usage

# (GPU type or None for CPU, GPUs, vCPUs) -> USD per second of one worker
Price = Callable[[str | None, int, int], Decimal]


@dataclass(frozen=True)
class Run:
    """One worker from start to full stop. Whole seconds are billed, a started one in full."""

    endpoint_id: str
    worker_id: str
    started_at: float
    seconds: int
    on_gpu: bool
    usd_per_second: Decimal
    gpu_type_id: str | None = None
    gpu_count: int = 0

    def seconds_between(self, start: float, end: float) -> Decimal:
        overlap = min(end, self.started_at + self.seconds) - max(start, self.started_at)
        return Decimal(str(round(max(0.0, overlap), 3)))

    def usd_between(self, start: float, end: float) -> Decimal:
        return self.seconds_between(start, end) * self.usd_per_second


@dataclass(frozen=True)
class Spend:
    seconds: int
    usd: Decimal


class SqlMeter:
    """Implements `infra.localcloud.runpod.model.Meter`.

    `record` may come again for the same run with a later stop (a heartbeat, so that a kill loses little); the run is
    billed once. `watch` names the runs that go on now, which count up to this moment; a worker id is never reused.
    """

    def __init__(self, store: Store, clock: Clock, price: Price) -> None:
        self.price = price
        self._store = store
        self._clock = clock
        self._going_on: Callable[[], Iterable[Usage]] = tuple

    def record(self, usage: Usage) -> None:
        self._store.save_usage(
            (
                usage.endpoint_id,
                usage.worker_id,
                usage.started_at,
                usage.stopped_at,
                usage.gpu_type_id,
                usage.gpu_count,
                usage.vcpu,
                usage.data,
            )
        )

    def watch(self, going_on: Callable[[], Iterable[Usage]]) -> None:
        self._going_on = going_on

    def runs(self, since: float = 0.0, until: float = math.inf) -> list[Run]:
        """Finished and going on, each once, those that overlap the time between."""
        rows = {(row[0], row[1], row[2]): row for row in self._store.usage(since, until)}
        last_start = {(worker[0], worker[1]): worker[2] for worker in sorted(rows)}
        for usage in self._going_on():
            worker = (usage.endpoint_id, usage.worker_id)
            key = (*worker, last_start.get(worker, usage.started_at))
            recorded = rows.get(key)
            stopped_at = max(usage.stopped_at, recorded[3]) if recorded else usage.stopped_at
            rows[key] = (*key, stopped_at, usage.gpu_type_id, usage.gpu_count, usage.vcpu)
        return [self._run(*row) for row in rows.values()]

    def spend(self) -> dict[str, Spend]:
        """All that each endpoint has cost, deleted ones included."""
        totals: dict[str, Spend] = {}
        for run in self.runs():
            before = totals.get(run.endpoint_id, Spend(0, Decimal(0)))
            totals[run.endpoint_id] = Spend(
                before.seconds + run.seconds, before.usd + run.seconds * run.usd_per_second
            )
        return totals

    def _run(
        self,
        endpoint_id: str,
        worker_id: str,
        started_at: float,
        stopped_at: float,
        gpu_type_id: str | None,
        gpu_count: int,
        vcpu: int,
    ) -> Run:
        # Times are floats: 3.0000001 s is three seconds, not four.
        seconds = math.ceil(round(max(0.0, stopped_at - started_at), 3))
        price = self.price(gpu_type_id, gpu_count, vcpu)
        return Run(
            endpoint_id,
            worker_id,
            started_at,
            seconds,
            gpu_type_id is not None,
            price,
            gpu_type_id,
            gpu_count,
        )
