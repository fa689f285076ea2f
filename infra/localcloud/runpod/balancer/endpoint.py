"""One load-balancing endpoint: which worker gets a request, and how many requests there are."""

import asyncio
from dataclasses import dataclass, field

from infra.localcloud.runpod.balancer.affinity import Affinity, Pin
from infra.localcloud.runpod.balancer.health import Health
from infra.localcloud.runpod.jobs.queue import Job
from infra.localcloud.runpod.model import EndpointRecord, JobCounts
from infra.localcloud.runpod.workers.crew import Crew
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.worker import Phase, Worker
from infra.spec.errors import PilotlightError

WAIT_S = 120.0  # for any worker
PINNED_WAIT_S = 300.0  # for the one that a request is pinned to


class NoWorker(PilotlightError):
    """Nobody can take the request in time."""


class WorkerGone(PilotlightError):
    """The worker that the request is pinned to is not there any more."""


@dataclass(eq=False)
class _Waiting:
    since: float
    worker_id: str | None  # None: any
    turn: "asyncio.Future[Worker]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class BalancedEndpoint:
    """`acquire` and `release` bracket every request."""

    def __init__(self, record: EndpointRecord, platform: Platform) -> None:
        self.served = self.broken = 0
        self._platform, self._clock = platform, platform.clock
        self._waiting: list[_Waiting] = []
        self._closed = False
        self.crew = Crew(record, platform, self)
        self._health = Health(platform.clock, self.crew, self._feed)

    @property
    def id(self) -> str:
        return self.crew.record.id

    async def acquire(self, affinity: Affinity) -> Worker:
        """The least busy worker, or the one asked for, with this request counted on it. Raises NoWorker and
        WorkerGone."""
        worker_id = affinity.worker_id if affinity.pin in (Pin.STRICT, Pin.RESUME) else None
        if self._closed:
            raise NoWorker("the endpoint is gone")
        if affinity.pin is Pin.RESUME:
            self.crew.resume(affinity.worker_id)
        if worker_id is not None and worker_id not in self.crew.workers:
            raise WorkerGone("affinity_worker_gone")
        waiting = _Waiting(self._clock.now(), worker_id)
        self._waiting.append(waiting)
        self._platform.requested(self.id)
        limit = WAIT_S if worker_id is None else PINNED_WAIT_S
        expiry = self._platform.timers.after(limit, lambda: _refuse(waiting, NoWorker(self._why(waiting))))
        self._feed(prefer=affinity.worker_id)
        self.crew.adjust()
        try:
            return await asyncio.shield(waiting.turn)
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.exception():
                self.release(waiting.turn.result(), answered=False)
            waiting.turn.cancel()
            raise
        finally:
            expiry.cancel()
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self.crew.adjust()

    def release(self, worker: Worker, answered: bool) -> None:
        worker.requests -= 1
        self.served += answered
        self.broken += not answered
        self.crew.rested(worker)
        self.crew.adjust()

    def counts(self) -> JobCounts:
        under_way = sum(worker.requests for worker in self.crew.workers.values())
        return JobCounts(self.served, self.broken, under_way, len(self._waiting))

    # The crew's host

    def queue_load(self) -> tuple[int, float]:
        oldest = min((waiting.since for waiting in self._waiting), default=None)
        return len(self._waiting), 0.0 if oldest is None else max(0.0, self._clock.now() - oldest)

    def started(self, worker: Worker) -> None:
        self._health.watch(worker)

    def lost(self, worker: Worker, jobs: list[Job], how: str, crashed: bool) -> None:
        """It held no jobs: who talked to it sees the connection end."""

    # Change and end

    def apply(self, record: EndpointRecord) -> None:
        self.crew.apply(record)
        self._feed()

    async def close(self, grace_s: float) -> None:
        self._closed = True
        for waiting in list(self._waiting):
            _refuse(waiting, NoWorker("the endpoint is gone"))
        await self.crew.close(grace_s)
        await self._health.close()

    async def remove(self) -> None:
        await self.close(0)

    def _feed(self, prefer: str | None = None) -> None:
        for waiting in list(self._waiting):
            if waiting.worker_id is not None and waiting.worker_id not in self.crew.workers:
                _refuse(waiting, WorkerGone("affinity_worker_gone"))
            elif (worker := self._choose(waiting.worker_id, prefer)) is not None:
                self._waiting.remove(waiting)
                worker.requests += 1
                if not waiting.turn.done():
                    waiting.turn.set_result(worker)

    def _choose(self, only: str | None, prefer: str | None) -> Worker | None:
        able = [
            worker
            for worker in self.crew.workers.values()
            if worker.phase is Phase.READY and not worker.retiring and only in (None, worker.id)
        ]
        if not able:
            return None
        return min(able, key=lambda worker: (worker.id != prefer, worker.requests, worker.created_at))

    def _why(self, waiting: _Waiting) -> str:
        if waiting.worker_id is not None:
            return "worker_timeout: timed out waiting for worker"
        reasons = [view.reason for view in self.crew.views() if view.reason]
        return "no workers available" + (f": {reasons[-1]}" if reasons else "")


def _refuse(waiting: _Waiting, error: PilotlightError) -> None:
    if not waiting.turn.done():
        waiting.turn.set_exception(error)
