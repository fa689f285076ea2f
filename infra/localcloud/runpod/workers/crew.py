"""The workers of one endpoint: how many, which release, started, retired, and what their ends mean."""

import asyncio
import math
import shutil
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol

from infra.localcloud.core.backoff import Backoff
from infra.localcloud.core.timers import Timer
from infra.localcloud.runpod.jobs.queue import Job
from infra.localcloud.runpod.model import EndpointRecord, ScalerType, WorkerView
from infra.localcloud.runpod.workers import recruit
from infra.localcloud.runpod.workers.billing import bill, usage
from infra.localcloud.runpod.workers.env import INIT_TIMEOUT_S
from infra.localcloud.runpod.workers.logs import last_words
from infra.localcloud.runpod.workers.placement import Place
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.recruit import new_worker
from infra.localcloud.runpod.workers.scaler import Load, look_again_s, surplus, wanted
from infra.localcloud.runpod.workers.worker import Phase, Worker

STOP_GRACE_S = 5.0  # from SIGTERM to SIGKILL; the SDK needs about 1.3 s
QUICK_CRASH_S = 60.0  # a worker that lived longer starts the count of crashes in a row anew
AILING_S = 480.0  # a worker that fails its health checks for so long is killed (RunPod: 8 minutes)
THROTTLED_S = 10.0  # between two looks for a free machine
PAST_WORKERS = 20  # whose logs can still be read
# RunPod has no idle timeout for queue endpoints that scale on requestCount; this stands in when none is given.
DEFAULT_IDLE_S = 5


class Host(Protocol):
    """The endpoint, as its crew sees it."""

    def queue_load(self) -> tuple[int, float]:
        """Jobs waiting that ask for workers, and how many seconds the oldest has waited."""

    def started(self, worker: Worker) -> None:
        """The worker has its process."""

    def lost(self, worker: Worker, jobs: list[Job], how: str, crashed: bool) -> None:
        """The worker ended with these jobs on it: by a crash, or because the cloud killed it."""


class Crew:
    """`adjust` is called after every event that may change what is needed; it is cheap and may be called at will."""

    def __init__(self, record: EndpointRecord, platform: Platform, host: Host) -> None:
        self.record = record
        self.workers: dict[str, Worker] = {}
        self.sick: Worker | None = None
        self.past: deque[Worker] = deque(maxlen=PAST_WORKERS)
        self._platform, self._host = platform, host
        self._backoff = Backoff(platform.timers, self.adjust)
        self._wake: Timer | None = None
        self._last_added = -math.inf
        self._starts: set[asyncio.Task[None]] = set()
        self._closed = False

    def apply(self, record: EndpointRecord) -> None:
        new_release = record.version != self.record.version
        self.record = record
        if new_release:
            self._backoff.calm()
            self.sick = None
            for worker in list(self.workers.values()):
                if worker.record.version != record.version:
                    self.retire(worker)
        excess = sum(worker.live for worker in self.workers.values()) - record.workers_max
        for worker in sorted(self.workers.values(), key=lambda worker: (worker.busy, -worker.created_at)):
            if excess > 0 and worker.live:
                self.retire(worker)
                excess -= 1
        self.adjust()

    def check_image(self) -> None:
        """Unpack the image before a job needs it, and show at once if it is refused."""
        self._spawn_task(self._check_image(self.record))

    def adjust(self) -> None:
        if self._closed:
            return
        load = self._load()
        if not self._backoff.waiting:
            for _ in range(wanted(self.record, load) - load.live):
                self._add()
            load = self._load()
        spare = surplus(self.record, load)
        now = self._platform.clock.monotonic()
        wake = look_again_s(self.record, load) if not self._backoff.waiting else None
        if spare:
            idle = sorted(
                (w for w in self.workers.values() if w.idle and w.live), key=lambda worker: worker.idle_since
            )
            for worker in idle[:spare]:
                left = worker.idle_since + self._idle_timeout_s - now
                if left <= 0:
                    worker.resumable = True
                    self.retire(worker)
                else:
                    wake = left if wake is None else min(wake, left)
        self._wake_in(wake)

    def ready(self, worker: Worker, how: str = "asked for its first job") -> None:
        """The worker takes work from now on: give it some, then `adjust`, or work that waits asks for one more."""
        if worker.phase is not Phase.STARTING:
            return
        worker.phase, worker.was_ready = Phase.READY, True
        worker.idle_since = self._platform.clock.monotonic()
        if worker.deadline is not None:
            worker.deadline.cancel()
        self.sick = None
        worker.log.system(f"ready: {how}", self._platform.clock.now())

    def ailing(self, worker: Worker, reason: str) -> None:
        """It failed a health check: it gets no work, another may take its place, and it has a while to recover."""
        if worker.phase is not Phase.READY:
            return
        worker.phase, worker.reason = Phase.AILING, reason
        worker.log.system(f"unhealthy: {reason}", self._platform.clock.now())
        worker.deadline = self._platform.timers.after(
            AILING_S, lambda: self.kill(worker, f"killed: unhealthy for {AILING_S:g} s")
        )
        self.adjust()

    def recovered(self, worker: Worker) -> None:
        if worker.phase is not Phase.AILING:
            return
        worker.phase, worker.reason = Phase.READY, ""
        if worker.deadline is not None:
            worker.deadline.cancel()
        worker.log.system("healthy again", self._platform.clock.now())
        self.rested(worker)

    def job_done(self, worker: Worker) -> None:
        """The worker gave a result, so it works: crashes before that are forgotten."""
        self._backoff.calm()
        worker.jobs_done += 1
        self.rested(worker)

    def rested(self, worker: Worker) -> None:
        """Something left the worker: it may now be idle, or at its end."""
        if worker.busy:
            return
        worker.idle_since = self._platform.clock.monotonic()
        if worker.retiring:
            self._stop(worker)

    def retire(self, worker: Worker) -> None:
        """No more jobs; ends at once when it has none, else after them."""
        worker.retiring = True
        if worker.busy and worker.phase is Phase.READY:
            return
        self._stop(worker)

    def resume(self, worker_id: str) -> None:
        """One that was scaled down comes back under its id, if there is room for it."""
        old = next((worker for worker in self.past if worker.id == worker_id and worker.resumable), None)
        room = sum(worker.live for worker in self.workers.values()) < self.record.workers_max
        if old is not None and old.record.version == self.record.version and room and not self._closed:
            self.past.remove(old)
            self._add(worker_id)

    def kill(self, worker: Worker, why: str) -> None:
        """At once. Its jobs, if any are left on it, count as lost."""
        worker.retiring = True
        worker.log.system(why, self._platform.clock.now())
        if worker.process is None:
            self._gone(worker)
            return
        worker.phase = Phase.STOPPING
        worker.process.kill()

    @property
    def ready_count(self) -> int:
        return sum(worker.phase is Phase.READY for worker in self.workers.values())

    def pinged(self, worker: Worker, complaint: str) -> None:
        """A heartbeat. After a failed fitness check it carries a complaint and the worker ends itself."""
        worker.last_ping = self._platform.clock.now()
        worker.reason = complaint or worker.reason

    def views(self) -> list[WorkerView]:
        now = self._platform.clock.now()
        shown = [*self.workers.values(), *([self.sick] if self.sick else [])]
        return [worker.view(now) for worker in shown]

    def unthrottle(self) -> None:
        """The faults changed: start what now can be started."""
        for worker in list(self.workers.values()):
            self._ask_capacity(worker)

    async def close(self, grace_s: float) -> None:
        """End every worker; those still there after the grace are killed."""
        self._closed = True
        self._backoff.calm()
        if self._wake is not None:
            self._wake.cancel()
        for task in self._starts:
            task.cancel()
        exits = []
        for worker in list(self.workers.values()):
            worker.retiring = True
            if worker.process is not None:
                exits.append(worker.process.exited)
            if grace_s <= 0 or worker.jobs:
                self.kill(worker, "killed: the endpoint is gone")
            else:
                self._stop(worker, grace_s)
        if exits:
            await asyncio.gather(*exits)

    @property
    def _idle_timeout_s(self) -> float:
        if self.record.scaler is ScalerType.REQUEST_COUNT and self.record.idle_timeout_s <= 0:
            return DEFAULT_IDLE_S
        return self.record.idle_timeout_s

    def _load(self) -> Load:
        live = [worker for worker in self.workers.values() if worker.live]
        queued, head_wait_s = self._host.queue_load()
        return Load(
            queued=queued,
            in_progress=sum(worker.load for worker in live),
            live=len(live),
            starting=sum(worker.phase is not Phase.READY for worker in live),
            head_wait_s=head_wait_s,
            since_added_s=self._platform.clock.monotonic() - self._last_added,
        )

    def _add(self, worker_id: str = "") -> None:
        worker = new_worker(self.record, self._platform, worker_id)
        self.workers[worker.id] = worker
        self._last_added = self._platform.clock.monotonic()
        worker.phase = Phase.THROTTLED
        self._ask_capacity(worker)

    def _ask_capacity(self, worker: Worker) -> None:
        if worker.phase is not Phase.THROTTLED:
            return
        if worker.deadline is not None:
            worker.deadline.cancel()
        place = self._platform.faults.no_capacity(self.record) or self._platform.place(self.record)
        if isinstance(place, Place):
            worker.phase, worker.reason = Phase.STARTING, ""
            worker.gpu_type_id, worker.data_center_id = place.gpu_type_id, place.data_center_id
            self._spawn_task(self._start(worker, place))
            return
        reason = place
        if reason != worker.reason:
            worker.log.system(reason, self._platform.clock.now())
        worker.reason = reason
        worker.deadline = self._platform.timers.after(THROTTLED_S, partial(self._ask_capacity, worker))

    async def _start(self, worker: Worker, place: Place) -> None:
        try:
            started = await recruit.start(worker, place, self._platform)
        except recruit.CannotStart as error:
            self._failed(worker, str(error))
            return
        process = worker.process
        if not started or process is None:
            return
        bill(worker, self._platform)
        worker.deadline = self._platform.timers.after(INIT_TIMEOUT_S, lambda: self._too_slow(worker))
        process.exited.add_done_callback(lambda exited: self._exited(worker, exited.result()))
        self._host.started(worker)
        if self._platform.faults.crashes(worker.record, "boot"):
            process.kill()

    async def _check_image(self, record: EndpointRecord) -> None:
        try:
            await recruit.check_image(record, self._platform)
        except recruit.CannotStart as error:
            if record is not self.record or self.ready_count:
                return
            worker = new_worker(record, self._platform)
            worker.log.system(str(error), self._platform.clock.now())
            worker.log.close(self._platform.clock.now())
            self._remember(worker)
            self._show_sick(worker, str(error))

    def _too_slow(self, worker: Worker) -> None:
        what = f"was healthy ({worker.reason})" if worker.ports else "asked for a job"
        worker.reason = f"never {what} within {INIT_TIMEOUT_S} s of its start"
        if worker.process is not None:
            worker.process.kill()

    def _stop(self, worker: Worker, grace_s: float = STOP_GRACE_S) -> None:
        if worker.phase in (Phase.STOPPING, Phase.GONE):
            return
        if worker.process is None:
            self._gone(worker)
            return
        worker.phase = Phase.STOPPING
        worker.log.system("stopping", self._platform.clock.now())
        # The signal goes first: the SDK looks for it when a poll returns. A stop of no job spares it a second's wait.
        worker.process.terminate()
        worker.release_take([])
        worker.release_stop(["none"])
        if worker.deadline is not None:
            worker.deadline.cancel()
        worker.deadline = self._platform.timers.after(grace_s, worker.process.kill)

    def _exited(self, worker: Worker, code: int) -> None:
        now = self._platform.clock.now()
        expected = worker.phase is Phase.STOPPING
        worker.stopped_at = now
        how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
        worker.log.system(how, now)
        self._platform.meter.record(usage(worker, now))
        lost, worker.jobs = list(worker.jobs.values()), {}
        self._gone(worker)
        if not expected:
            self._crashed(worker, how)
        if lost:
            self._host.lost(worker, lost, how, crashed=not expected)
        self.adjust()

    def _crashed(self, worker: Worker, how: str) -> None:
        if worker.was_ready and (worker.stopped_at or 0) - (worker.started_at or 0) > QUICK_CRASH_S:
            self._backoff.calm()
        if not worker.was_ready or self._backoff.failures >= 2:
            self._show_sick(
                worker,
                worker.reason
                or last_words(worker.log, how if worker.was_ready else f"{how} before it was ready"),
            )
        self._backoff.strike(first_is_free=worker.was_ready)

    def _failed(self, worker: Worker, reason: str) -> None:
        """It never got a process."""
        if worker.phase is Phase.GONE:
            return
        worker.log.system(reason, self._platform.clock.now())
        self._gone(worker)
        self._show_sick(worker, reason)
        self._backoff.strike()
        self.adjust()

    def _show_sick(self, worker: Worker, reason: str) -> None:
        failures = self._backoff.failures
        times = f" ({failures + 1} times in a row)" if failures else ""
        worker.phase, worker.reason = Phase.UNHEALTHY, reason + times
        self.sick = worker

    def _gone(self, worker: Worker) -> None:
        worker.cancel_timers()
        worker.release_take([])
        worker.release_stop([])
        worker.phase = Phase.GONE
        worker.log.close(self._platform.clock.now())
        if self.workers.pop(worker.id, None) is not None:
            self._remember(worker)
            self._spawn_task(asyncio.to_thread(shutil.rmtree, worker.home.parent, ignore_errors=True))

    def _remember(self, worker: Worker) -> None:
        if len(self.past) == PAST_WORKERS:
            self.past[0].log.delete()
        self.past.append(worker)

    def _wake_in(self, seconds: float | None) -> None:
        if seconds is None:
            return
        seconds = max(seconds, 0.001)  # what is left by rounding must not make us spin
        if self._wake is not None and self._wake.pending:
            if self._wake.due <= self._platform.clock.monotonic() + seconds:
                return
            self._wake.cancel()
        self._wake = self._platform.timers.after(seconds, self.adjust)

    def _spawn_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)
