"""One container as the fleet keeps it: its state, the inputs that it works on, and the two long polls it keeps open."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from modal_proto import api_pb2

from infra.localcloud.core.supervisor import Running
from infra.localcloud.core.timers import Timer
from infra.localcloud.modal.calls.book import Input
from infra.localcloud.modal.model import FunctionRecord, TaskState, TaskView


class Phase(Enum):
    WAITING = auto()  # for its turn to start
    STARTING = auto()
    READY = auto()
    STOPPING = auto()
    GONE = auto()


@dataclass
class Poll:
    """A container that waits for inputs: one, or up to `batch` of them that come within `linger_s`. Answered with None,
    it is told to end."""

    batch: int
    linger_s: float
    answer: "asyncio.Future[list[Input] | None]"
    expiry: Timer


@dataclass(eq=False)
class Container:
    """`retiring`: gets no more inputs and ends after those it has. `failure`: why it could not start, as it said.

    `releasing`: inputs that were taken from it (cancelled, timed out) and that it has not let go of; it is killed if it
    does not. `requests`: what a server is answering now.
    """

    id: str
    record: FunctionRecord
    environment: str
    created_at: float
    phase: Phase = Phase.WAITING
    retiring: bool = False
    stopped_by_us: bool = False
    reason: str = ""
    failure: api_pb2.GenericResult | None = None
    process: Running | None = None
    started_at: float = 0.0
    ready_at: float = 0.0
    stopped_at: float = 0.0
    idle_since: float = 0.0
    taken: int = 0
    requests: int = 0
    running: dict[str, Input] = field(default_factory=dict)
    poll: Poll | None = None
    handed: tuple[str, list[Input]] = ("", [])  # the last answer to a poll, by its idempotency key
    deadline: Timer | None = None  # of the start, then of the stop
    limits: dict[str, Timer] = field(default_factory=dict)  # the function's timeout, by input
    releasing: dict[str, Timer] = field(default_factory=dict)
    heartbeat: "asyncio.Future[None] | None" = None
    to_cancel: list[str] = field(default_factory=list)  # to be told at the next heartbeat

    @property
    def live(self) -> bool:
        """Counts as capacity: takes inputs now or will."""
        return not self.retiring and self.phase in (Phase.WAITING, Phase.STARTING, Phase.READY)

    @property
    def busy(self) -> bool:
        return bool(self.running or self.releasing or self.requests)

    @property
    def idle(self) -> bool:
        return self.phase is Phase.READY and not self.busy

    @property
    def waits(self) -> bool:
        """For an input, and may have one."""
        return self.phase is Phase.READY and not self.retiring and self.poll is not None

    @property
    def single_use(self) -> bool:
        function = self.record.function
        return function.single_use_containers or function.max_inputs == 1

    def answer(self, inputs: list[Input] | None) -> None:
        poll, self.poll = self.poll, None
        if poll is not None:
            poll.expiry.cancel()
            if not poll.answer.done():
                poll.answer.set_result(inputs)

    def handed_before(self, key: str) -> list[Input]:
        """What it was given in answer to this very request, which it sends again because the answer was lost."""
        known, inputs = self.handed
        return [item for item in inputs if self.running.get(item.id) is item] if key and key == known else []

    def cancel(self, input_id: str) -> None:
        """Tell it, with this heartbeat or the next."""
        self.to_cancel.append(input_id)
        if self.heartbeat is not None and not self.heartbeat.done():
            self.heartbeat.set_result(None)

    def let_go(self, input_id: str) -> None:
        """It is done with the input, whether the result counts or not."""
        self.running.pop(input_id, None)
        for timers in (self.limits, self.releasing):
            if (timer := timers.pop(input_id, None)) is not None:
                timer.cancel()

    def cancel_timers(self) -> None:
        for timer in (self.deadline, *self.limits.values(), *self.releasing.values()):
            if timer is not None:
                timer.cancel()
        self.limits.clear()
        self.releasing.clear()

    def view(self) -> TaskView:
        gpu = self.record.function.resources.gpu_config
        return TaskView(
            task_id=self.id,
            app_id=self.record.app_id,
            function_id=self.record.function_id,
            environment=self.environment,
            state=self._state(),
            version=self.record.version,
            enqueued_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.stopped_at,
            gpu_type=gpu.gpu_type,
            gpu_count=gpu.count if gpu.gpu_type else 0,
            reason=self.reason,
        )

    def _state(self) -> TaskState:
        if self.phase is Phase.GONE:
            return TaskState.STOPPED
        if self.retiring or self.phase is Phase.STOPPING:
            return TaskState.DRAINING
        if self.phase is Phase.READY:
            return TaskState.RUNNING if self.busy else TaskState.IDLE
        return TaskState.STARTING
