"""Jobs and their queue. Pure: no clock, no sockets; every time is passed in (seconds since the epoch)."""

import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class JobStatus(Enum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def final(self) -> bool:
        return self not in (JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS)


NOTHING = object()  # a job without an output: the key is left out, where None is sent as null


@dataclass
class Job:
    """One request. `crashes` counts workers that died under it: the first puts it back, the second fails it."""

    id: str
    input: Any
    sync: bool
    created_at: float
    ttl_s: float
    timeout_s: float | None = None  # None: the endpoint's own
    low_priority: bool = False
    batch: list[str] | None = None  # the ids of its batch, and of its request there
    webhook: str | None = None
    status: JobStatus = JobStatus.IN_QUEUE
    queued_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    worker_id: str | None = None
    crashes: int = 0
    turn: int = 0  # its place in the line, given by the queue; kept when it is put back
    output: Any = NOTHING
    error: Any = None
    chunks: deque[Any] = field(default_factory=deque)

    def view(self) -> dict[str, Any]:
        """The object of /status, /runsync and webhooks. Times in whole milliseconds."""
        view: dict[str, Any] = {"id": self.id, "status": self.status.value}
        if self.started_at is not None:
            view["delayTime"] = _ms(self.started_at - self.queued_at)
            view["workerId"] = self.worker_id
            if self.finished_at is not None:
                view["executionTime"] = _ms(self.finished_at - self.started_at)
        if self.output is not NOTHING:
            view["output"] = self.output
        if self.error is not None:
            view["error"] = self.error
        return view

    def restart(self, now: float) -> None:
        """Back to the queue, as `retry` and the first crash do: same id, what it had produced is dropped."""
        self.status, self.queued_at = JobStatus.IN_QUEUE, now
        self.started_at = self.finished_at = self.worker_id = self.error = None
        self.output = NOTHING
        self.chunks.clear()

    def dump(self) -> dict[str, Any]:
        """As JSON, for the store. Undrained chunks are kept."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        plain |= {"status": self.status.value, "chunks": list(self.chunks)}
        return plain if self.output is NOTHING else plain | {"output": self.output}

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Job":
        fields = dict(data)
        return cls(**(fields | {"status": JobStatus(fields["status"]), "chunks": deque(fields["chunks"])}))


_PLAIN = (
    "id",
    "input",
    "sync",
    "created_at",
    "ttl_s",
    "timeout_s",
    "low_priority",
    "batch",
    "webhook",
    "queued_at",
    "started_at",
    "finished_at",
    "worker_id",
    "crashes",
    "turn",
    "error",
)


def new_id(sync: bool) -> str:
    return f"{'sync-' if sync else ''}{uuid.uuid4()}-u1"


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


class JobQueue:
    """First come, first served; low-priority jobs after all others, and those of batches last. Holds every job that
    `/status` still knows."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._normal: deque[Job] = deque()
        self._low: deque[Job] = deque()
        self._batched: deque[Job] = deque()
        self._turns = 0

    def add(self, job: Job) -> None:
        """A new job, to the end of the line; or one from the store, in the order of their turns."""
        self.jobs[job.id] = job
        self._turns = max(self._turns, job.turn)
        if job.status is not JobStatus.IN_QUEUE:
            return
        if job.turn:
            self._line(job).append(job)
        else:
            self.enqueue(job)

    def put_back(self, job: Job) -> None:
        """To the front: a job whose worker died has waited once already."""
        self._line(job).appendleft(job)

    def enqueue(self, job: Job) -> None:
        self._turns += 1
        job.turn = self._turns
        self._line(job).append(job)

    def take(self, count: int) -> list[Job]:
        taken: list[Job] = []
        for line in (self._normal, self._low, self._batched):
            while line and len(taken) < count:
                taken.append(line.popleft())
        return taken

    def withdraw(self, job: Job) -> None:
        """Out of the line, still known. Absent is fine."""
        if job in (line := self._line(job)):
            line.remove(job)

    def forget(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        if job.status is JobStatus.IN_QUEUE:
            self.withdraw(job)

    def waiting(self) -> Iterator[Job]:
        yield from self._normal
        yield from self._low
        yield from self._batched

    def __len__(self) -> int:
        return len(self._normal) + len(self._low) + len(self._batched)

    @property
    def scaling_length(self) -> int:
        """Jobs that ask for workers: low-priority ones do not, and all batches together count as one."""
        return len(self._normal) + bool(self._batched)

    @property
    def head_since(self) -> float | None:
        """When the oldest job that asks for workers was queued."""
        heads = [line[0].queued_at for line in (self._normal, self._batched) if line]
        return min(heads, default=None)

    def _line(self, job: Job) -> deque[Job]:
        if job.batch:
            return self._batched
        return self._low if job.low_priority else self._normal
