"""RunPod lowers an endpoint that nobody calls: two workers at most after three days, none after seven.

Source: RunPod's documentation, endpoint settings (2026-08). It stays so until somebody raises it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.timers import Timer, Timers
from infra.localcloud.runpod.model import EndpointRecord
from infra.localcloud.runpod.workers.journal import Namespace

_log = logging.getLogger("pilotlight.cloud")

DAY_S = 24 * 3600.0
STEPS = ((7 * DAY_S, 0), (3 * DAY_S, 2))  # idle for so long: at most so many workers
KEEP_S = 3600.0  # how exactly the last request is remembered over a restart

ScaleDown = Callable[[str, int], Awaitable[None]]


class Idling:
    """`lower(endpoint_id, max_workers)` changes the endpoint where its owner sees it."""

    def __init__(self, clock: Clock, timers: Timers, kept: Namespace, lower: ScaleDown) -> None:
        self._clock, self._timers, self._kept, self._lower = clock, timers, kept, lower
        self._records: dict[str, EndpointRecord] = {}
        self._last: dict[str, float] = {}
        self._kept_at: dict[str, float] = {}
        self._alarms: dict[str, Timer] = {}
        self._lowering: set[asyncio.Task[None]] = set()

    def watch(self, record: EndpointRecord) -> None:
        """A new endpoint, or a changed one; with more workers than before its time begins anew."""
        before = self._records.get(record.id)
        self._records[record.id] = record
        if before is None:
            last = self._kept.get(record.id)
            self._last[record.id] = self._clock.now() if last is None else float(last)
            if last is None:
                self._keep(record.id)
        elif record.workers_max > before.workers_max:
            self.requested(record.id)
        self._set_alarm(record.id)

    def requested(self, endpoint_id: str) -> None:
        now = self._clock.now()
        self._last[endpoint_id] = now
        if now - self._kept_at.get(endpoint_id, 0.0) > KEEP_S:
            self._keep(endpoint_id)

    def forget(self, endpoint_id: str) -> None:
        self._records.pop(endpoint_id, None)
        self._last.pop(endpoint_id, None)
        self._kept_at.pop(endpoint_id, None)
        self._kept.delete(endpoint_id)
        if (alarm := self._alarms.pop(endpoint_id, None)) is not None:
            alarm.cancel()

    def _keep(self, endpoint_id: str) -> None:
        self._kept_at[endpoint_id] = self._last[endpoint_id]
        self._kept.put(endpoint_id, self._last[endpoint_id])

    def _set_alarm(self, endpoint_id: str) -> None:
        if (alarm := self._alarms.pop(endpoint_id, None)) is not None:
            alarm.cancel()
        record = self._records[endpoint_id]
        idle_s = self._clock.now() - self._last[endpoint_id]
        dues = [after - idle_s for after, most in STEPS if record.workers_max > most]
        if dues:
            self._alarms[endpoint_id] = self._timers.after(min(dues), partial(self._look, endpoint_id))

    def _look(self, endpoint_id: str) -> None:
        record = self._records.get(endpoint_id)
        if record is None:
            return
        idle_s = self._clock.now() - self._last[endpoint_id]
        for after, most in STEPS:
            if idle_s >= after and record.workers_max > most:
                days = round(idle_s / DAY_S)
                _log.warning(
                    "endpoint %s (%s) had no request for %d days: lowered from at most %d workers to %d",
                    endpoint_id,
                    record.name,
                    days,
                    record.workers_max,
                    most,
                )
                task = asyncio.ensure_future(self._lower(endpoint_id, most))
                self._lowering.add(task)
                task.add_done_callback(self._lowering.discard)
                return
        self._set_alarm(endpoint_id)
