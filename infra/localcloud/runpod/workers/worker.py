"""One worker as the fleet keeps it: its state, the jobs it holds and the two long polls it keeps open."""

import asyncio
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from infra.localcloud.core.supervisor import Running
from infra.localcloud.core.timers import Timer
from infra.localcloud.runpod.jobs.queue import Job
from infra.localcloud.runpod.model import EndpointRecord, WorkerStatus, WorkerView
from infra.localcloud.runpod.workers.logs import WorkerLog

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Phase(Enum):
    THROTTLED = auto()
    STARTING = auto()
    READY = auto()
    AILING = auto()  # behind a load balancer, and failing its health checks
    STOPPING = auto()
    UNHEALTHY = auto()
    GONE = auto()


@dataclass
class TakePoll:
    """A job-take that waits for up to `count` jobs."""

    count: int
    answer: "asyncio.Future[list[Job]]"
    expiry: Timer


@dataclass
class StopPoll:
    answer: "asyncio.Future[list[str]]"
    expiry: Timer


@dataclass(eq=False)
class Worker:
    """`retiring`: takes no more jobs and ends after those it has. `reason`: why it is throttled or unhealthy."""

    id: str
    record: EndpointRecord
    token: str
    home: Path
    log: WorkerLog
    created_at: float
    gpu_type_id: str | None = None  # where it runs, once it has a machine
    data_center_id: str = ""
    phase: Phase = Phase.STARTING
    reason: str = ""
    retiring: bool = False
    was_ready: bool = False
    resumable: bool = False  # it was scaled down, and did not fail
    jobs_done: int = 0
    process: Running | None = None
    started_at: float | None = None  # of the process: from here on it is billed
    stopped_at: float | None = None
    idle_since: float = 0.0
    last_ping: float | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    take: TakePoll | None = None
    stop: StopPoll | None = None
    stop_ids: list[str] = field(default_factory=list)  # to be told at the next job-stop
    stopping: dict[str, Timer] = field(
        default_factory=dict
    )  # told; the worker is killed if it does not react
    deadline: Timer | None = None  # of the start, then of the stop
    ports: tuple[int, int] | None = None  # behind a load balancer: where it serves, where it tells its health
    requests: int = 0  # that a load balancer has under way on it

    @property
    def live(self) -> bool:
        """Counts as capacity: takes jobs now or will."""
        return not self.retiring and self.phase in (Phase.THROTTLED, Phase.STARTING, Phase.READY)

    @property
    def has_machine(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.READY, Phase.AILING, Phase.STOPPING)

    @property
    def busy(self) -> bool:
        return bool(self.jobs or self.stopping or self.stop_ids or self.requests)

    @property
    def load(self) -> int:
        return len(self.jobs) + self.requests

    @property
    def idle(self) -> bool:
        return self.phase is Phase.READY and not self.busy

    @property
    def can_take(self) -> bool:
        """Waits for jobs and may have them."""
        free = not self.retiring and not self.stop_ids and not self.stopping
        return self.phase is Phase.READY and free and self.take is not None

    def release_take(self, jobs: list[Job]) -> None:
        poll, self.take = self.take, None
        if poll is not None:
            poll.expiry.cancel()
            if not poll.answer.done():
                poll.answer.set_result(jobs)

    def release_stop(self, ids: list[str]) -> None:
        poll, self.stop = self.stop, None
        if poll is not None:
            poll.expiry.cancel()
            if not poll.answer.done():
                poll.answer.set_result(ids)

    def cancel_timers(self) -> None:
        for timer in (self.deadline, *self.stopping.values()):
            if timer is not None:
                timer.cancel()
        self.stopping.clear()

    def view(self, now: float) -> WorkerView:
        began = self.started_at if self.started_at is not None else self.created_at
        return WorkerView(
            id=self.id,
            status=self._status(),
            version=self.record.version,
            image=self.record.image,
            started_at=began,
            uptime_s=max(0.0, (self.stopped_at or now) - began) if self.started_at is not None else 0.0,
            gpu_type_id=self.gpu_type_id,
            gpu_count=self.record.gpu_count,
            data_center_id=self.data_center_id,
            reason=self.reason,
        )

    def _status(self) -> WorkerStatus:
        if self.phase is Phase.THROTTLED:
            return WorkerStatus.THROTTLED
        if self.phase in (Phase.UNHEALTHY, Phase.AILING):
            return WorkerStatus.UNHEALTHY
        if self.phase is Phase.STARTING:
            return WorkerStatus.INITIALIZING
        return WorkerStatus.RUNNING if self.busy else WorkerStatus.IDLE


def new_worker_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(14))


def new_token() -> str:
    return secrets.token_urlsafe(24)
