"""One function's queue and containers: an input's way from submission to a result, with every way it can end."""

import math
from collections import deque
from collections.abc import Iterable
from functools import partial

from modal_proto import api_pb2

from infra.localcloud.core.faults import FaultKind
from infra.localcloud.core.timers import Timer
from infra.localcloud.modal.calls.book import MAX_CRASHES, FunctionCall, Input, InputState
from infra.localcloud.modal.containers.container import Container, Phase, Poll
from infra.localcloud.modal.containers.crew import Crew
from infra.localcloud.modal.containers.platform import Platform
from infra.localcloud.modal.model import FunctionRecord, StatsView

Result = api_pb2.GenericResult
RELEASE_GRACE_S = 5.0  # for a container to let go of an input that was taken from it, before it is killed
DEFAULT_TIMEOUT_S = 300


class Pool:
    def __init__(self, record: FunctionRecord, platform: Platform) -> None:
        self._platform = platform
        self.queue: deque[Input] = deque()
        self.requests = 0  # that wait for a server
        self.failure: Result | None = None  # why the last container could not start, until one does
        self.resting: dict[str, Timer] = {}
        self.crew = Crew(record, platform, self)
        self._linger: Timer | None = None
        self._pace_s = 0.0
        self._taken_at = 0.0

    @property
    def record(self) -> FunctionRecord:
        return self.crew.record

    def apply(self, record: FunctionRecord) -> None:
        self.crew.apply(record)
        if record.stopped:
            self.stop("its app was stopped")

    def submit(self, inputs: Iterable[Input]) -> None:
        for item in inputs:
            self.queue.append(item)
            self._platform.journal.touch(item)
        self.dispatch()

    def stats(self) -> StatsView:
        containers = self.crew.containers.values()
        return StatsView(
            backlog=len(self.queue),
            tasks=len(containers),
            running_inputs=sum(len(container.running) for container in containers),
            headroom=self.crew.headroom(),
        )

    def stop(self, why: str) -> None:
        """For good: what waits or runs is terminated, and the containers go."""
        result = Result(status=Result.GENERIC_STATUS_TERMINATED, exception=f"Terminated: {why}")
        for item in [*self.queue, *self._resting_inputs()]:
            self._end(item, result)
        self.queue.clear()
        for container in list(self.crew.containers.values()):
            for item in list(container.running.values()):
                container.let_go(item.id)
                self._end(item, result)
            self.crew.ladder.stop(container, why)

    # Containers ask and answer

    def poll(self, container: Container, poll: Poll) -> None:
        container.answer([])
        container.poll = poll
        if container.retiring:
            self.crew.ladder.told_to_end(container)
            container.answer(None)
            return
        self.crew.ready(container)
        self.dispatch()

    def dispatch(self) -> None:
        """Hand out what waits to those who wait for it, then see whether there are enough of them."""
        while self.queue:
            container = self._next_container()
            if container is None or container.poll is None:
                break
            batch = self._next_batch(container.poll)
            if not batch:
                break
            for item in batch:
                self.queue.remove(item) if item is not self.queue[0] else self.queue.popleft()
            self._hand_over(container, batch)
        self.crew.adjust()

    def put_output(self, container: Container, item: Input, output: api_pb2.FunctionPutOutputsItem) -> None:
        """What a container gives for an input. It counts if it still has the input, in this attempt."""
        counts = container.running.get(item.id) is item and output.retry_count == item.retry_count
        container.let_go(item.id)
        if counts:
            self._pace(self._platform.clock.now() - item.started_at)
            self.settle(item, output.result, output.data_format)
        if container.single_use:
            self.crew.ladder.told_to_end(container)
        self.crew.rested(container)
        self.dispatch()

    def undelivered(self, container: Container, inputs: list[Input]) -> None:
        """The container went away before the answer to its poll reached it."""
        for item in reversed(inputs):
            container.let_go(item.id)
            item.put_back(self._platform.clock.now())
            self.queue.appendleft(item)
        self.dispatch()

    def settle(self, item: Input, result: Result, data_format: int = 0) -> None:
        """One attempt has ended like this: the result, or another attempt after a while."""
        delay_s = item.call.retry_delay_s(item, result)
        if delay_s is None:
            self._end(item, result, data_format)
            return
        if result.status != Result.GENERIC_STATUS_INTERNAL_FAILURE:
            item.failures += 1
        item.state = InputState.RESTING
        self._platform.journal.touch(item)
        self.resting[item.id] = self._platform.timers.after(delay_s, partial(self._rested, item))

    def retry(self, item: Input, payload: api_pb2.FunctionInput, retry_count: int) -> None:
        """The caller wants another attempt. A request that comes twice is one."""
        if item.state is not InputState.DONE or (retry_count and retry_count <= item.retry_count):
            return
        item.payload = payload
        item.again(self._platform.clock.now(), retry_count)
        self.submit([item])

    # Ends that come from elsewhere

    def cancel(self, call: FunctionCall, terminate_containers: bool) -> None:
        call.cancelled = True
        result = Result(status=Result.GENERIC_STATUS_TERMINATED, exception="Cancelled")
        for item in call.inputs.values():
            if item.state in (InputState.QUEUED, InputState.RESTING):
                if item in self.queue:
                    self.queue.remove(item)
                self._end(item, result)
            container = self.crew.containers.get(item.task_id)
            if item.state is not InputState.RUNNING or container is None:
                continue
            if terminate_containers:
                container.let_go(item.id)
                self._end(item, result)
                self.crew.ladder.stop(container, f"input {item.id} was cancelled with its container")
            else:
                # It answers itself, with a result that says terminated.
                container.cancel(item.id)
                why = f"input {item.id} was cancelled and went on"
                container.releasing[item.id] = self._platform.timers.after(
                    RELEASE_GRACE_S, partial(self.crew.ladder.kill, container, why)
                )
        self.dispatch()

    def lost(self, container: Container, inputs: list[Input]) -> None:
        """The container ended with these on it: by a crash, or because we stopped it."""
        for item in inputs:
            if item.call.cancelled:
                self._end(item, Result(status=Result.GENERIC_STATUS_TERMINATED, exception="Cancelled"))
            elif container.stopped_by_us:
                item.put_back(self._platform.clock.now())
                self.queue.appendleft(item)
            else:
                item.crashes += 1
                hopeless = item.crashes >= MAX_CRASHES
                status = Result.GENERIC_STATUS_FAILURE if hopeless else Result.GENERIC_STATUS_INTERNAL_FAILURE
                text = f"Container {container.id} {container.reason} while it worked on this input"
                self.settle(item, Result(status=status, exception=text))

    def cannot_start(self, result: Result) -> None:
        self.failure = result
        waiting, self.queue = self.queue, deque()
        for item in waiting:
            self._end(item, result)
        self._platform.changed.wake(self.record.function_id)

    def changed(self) -> None:
        if any(container.phase is Phase.READY for container in self.crew.containers.values()):
            self.failure = None
        self._platform.changed.wake(self.record.function_id)
        self.dispatch()

    def waiting(self) -> int:
        return len(self.queue) + self.requests

    def stalled_s(self) -> float:
        since = max(self.queue[0].queued_at, self._taken_at) if self.queue else math.inf
        return max(0.0, self._platform.clock.now() - since)

    def pace_s(self) -> float:
        return self._pace_s

    def blocked(self) -> int:
        return self._platform.book.waiting_for_children(self.record.function_id)

    def _pace(self, taken_s: float) -> None:
        share = taken_s / max(1, self.record.function.target_concurrent_inputs)
        self._pace_s = share if not self._pace_s else 0.7 * self._pace_s + 0.3 * share

    def _next_container(self) -> Container | None:
        """The fullest that has room, so that others may become idle and end."""
        waiting = [container for container in self.crew.containers.values() if container.waits]
        return max(waiting, key=lambda container: len(container.running), default=None)

    def _next_batch(self, poll: Poll) -> list[Input]:
        if poll.batch < 1:
            return [self.queue[0]]
        head = self.queue[0]
        batch = [item for item in self.queue if item.method == head.method][: poll.batch]
        due = head.queued_at + poll.linger_s
        left = due - self._platform.clock.now()
        if len(batch) >= poll.batch or left <= 0.0005:
            return batch
        if self._linger is None or not self._linger.pending:
            self._linger = self._platform.timers.after(left, self.dispatch)
        return []

    def _hand_over(self, container: Container, batch: list[Input]) -> None:
        now = self._platform.clock.now()
        timeout_s = container.record.function.timeout_secs or DEFAULT_TIMEOUT_S
        for item in batch:
            item.start(container.id, now)
            container.running[item.id] = item
            container.limits[item.id] = self._platform.timers.after(
                timeout_s, partial(self._too_long, container, item, timeout_s)
            )
        container.taken += len(batch)
        self._taken_at = now
        container.answer(batch)
        if self._platform.fault(FaultKind.CRASH, container.record, "input") and container.process is not None:
            container.process.kill()

    def _too_long(self, container: Container, item: Input, limit_s: float) -> None:
        """The caller hears at once; the container is interrupted in it, and killed if that does not help."""
        container.running.pop(item.id, None)
        container.cancel(item.id)
        why = f"input {item.id} ran longer than {limit_s:g} s and could not be interrupted"
        container.releasing[item.id] = self._platform.timers.after(
            RELEASE_GRACE_S, partial(self.crew.ladder.kill, container, why)
        )
        text = f"Task's current input {item.id} hit its timeout of {limit_s:g}s"
        self._platform.say(container, text)
        self.settle(item, Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=text))

    def _rested(self, item: Input) -> None:
        self.resting.pop(item.id, None)
        item.again(self._platform.clock.now())
        self.submit([item])

    def _resting_inputs(self) -> list[Input]:
        return [self._platform.book.inputs[input_id] for input_id in self.resting]

    def _end(self, item: Input, result: Result, data_format: int = 0) -> None:
        if (timer := self.resting.pop(item.id, None)) is not None:
            timer.cancel()
        item.finish(result, data_format, self._platform.clock.now())
        self._platform.tally.input(item)
        self._platform.journal.touch(item)
        self._platform.changed.wake(item.call.id)
        if item.call.done:
            self._platform.finished(item.call)
