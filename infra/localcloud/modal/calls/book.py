"""Function calls, their inputs and outputs. Pure: no clock, no sockets; times are passed in (seconds since the epoch)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from modal_proto import api_pb2

Status = api_pb2.GenericResult

# What the client's own retries go by (modal/retries.py).
MIN_DELAY_MS, MAX_DELAY_MS = 1_000.0, 24 * 3600 * 1000.0
# After so many containers that died under one input it is the input's fault, or its retries would never end.
MAX_CRASHES = 8


class InputState(Enum):
    QUEUED = auto()
    RUNNING = auto()
    RESTING = auto()  # failed, to be queued again after its retry delay
    DONE = auto()


@dataclass(frozen=True)
class Output:
    """`seq` rises within the call, from 1: the cursor of those who read outputs as they come."""

    seq: int
    result: api_pb2.GenericResult
    data_format: int
    task_id: str
    started_at: float
    created_at: float
    retry_count: int


@dataclass(eq=False)
class Input:
    """`retry_count` names the attempt: results of an older one are dropped. `failures` are what the retry policy
    counts, `crashes` are containers that died under it, which do not count there."""

    id: str
    call: "FunctionCall"
    idx: int
    payload: api_pb2.FunctionInput
    queued_at: float
    state: InputState = InputState.QUEUED
    retry_count: int = 0
    failures: int = 0
    crashes: int = 0
    started_at: float = 0.0
    task_id: str = ""
    output: Output | None = None

    @property
    def method(self) -> str:
        return self.payload.method_name

    def start(self, task_id: str, now: float) -> None:
        self.state, self.task_id, self.started_at = InputState.RUNNING, task_id, now

    def finish(self, result: api_pb2.GenericResult, data_format: int, now: float) -> None:
        """The final word on this attempt, until `again`."""
        self.call.last_seq += 1
        self.state = InputState.DONE
        self.output = Output(
            self.call.last_seq, result, data_format, self.task_id, self.started_at, now, self.retry_count
        )

    def again(self, now: float, retry_count: int = 0) -> None:
        """Back to the queue for another attempt; what the last one gave is gone."""
        self.retry_count = max(retry_count, self.retry_count + 1)
        self.put_back(now)

    def put_back(self, now: float) -> None:
        """Back to the queue for the same attempt: its container was taken from it."""
        self.state, self.output, self.task_id, self.queued_at = InputState.QUEUED, None, "", now


class DataStream:
    """Numbered chunks of one direction of a call: what a generator yields, or one side of a web request.

    An index that comes again replaces the chunk: a retried attempt starts from 1.
    """

    def __init__(self) -> None:
        self._chunks: dict[int, api_pb2.DataChunk] = {}

    def put(self, chunk: api_pb2.DataChunk) -> None:
        self._chunks[chunk.index] = chunk

    def append(self, data: bytes, data_format: int) -> None:
        index = max(self._chunks, default=0) + 1
        self.put(api_pb2.DataChunk(data_format=data_format, data=data, index=index))  # type: ignore[arg-type]

    def after(self, index: int) -> list[api_pb2.DataChunk]:
        """What follows without a gap."""
        following = []
        while (chunk := self._chunks.get(index + 1)) is not None:
            following.append(chunk)
            index += 1
        return following


@dataclass(eq=False)
class FunctionCall:
    """One `FunctionMap`: a single input, or many for a map. `sync` callers wait and retry by themselves; for the
    others the cloud keeps the result and retries. `transient` ones, of web requests, end with their connection."""

    id: str
    function_id: str
    sync: bool
    policy: api_pb2.FunctionRetryPolicy
    created_at: float
    parent_input_id: str = ""
    many: bool = False
    transient: bool = False
    inputs: dict[int, Input] = field(default_factory=dict)
    last_seq: int = 0
    cancelled: bool = False
    cleared: bool = False
    data_in: DataStream = field(default_factory=DataStream)
    data_out: DataStream = field(default_factory=DataStream)

    def unfinished(self) -> int:
        return sum(item.state is not InputState.DONE for item in self.inputs.values())

    @property
    def done(self) -> bool:
        return bool(self.inputs) and self.unfinished() == 0

    def outputs(self, after: int = 0, start: int | None = None, end: int | None = None) -> list[Input]:
        """Inputs with an output that came after the cursor and whose index lies within, in order of their output."""
        found = [
            item
            for item in self.inputs.values()
            if item.output is not None
            and item.output.seq > after
            and (start is None or item.idx >= start)
            and (end is None or item.idx <= end)
        ]
        return sorted(found, key=lambda item: item.output.seq if item.output else 0)

    def retry_delay_s(self, item: Input, result: api_pb2.GenericResult) -> float | None:
        """Seconds until the cloud itself tries the input again after this result; None: it stands.

        Callers that wait decide for themselves. A container lost is no fault of the input: at once.
        """
        if self.sync or self.cancelled or not self.policy.retries:
            return None
        if result.status in (Status.GENERIC_STATUS_SUCCESS, Status.GENERIC_STATUS_TERMINATED):
            return None
        if result.status == Status.GENERIC_STATUS_INTERNAL_FAILURE:
            return 0.0
        if item.failures >= self.policy.retries:
            return None
        delay = self.policy.initial_delay_ms * self.policy.backoff_coefficient**item.failures
        return min(max(delay, MIN_DELAY_MS), MAX_DELAY_MS) / 1000


class Book:
    """Every call that anybody may still ask for."""

    def __init__(self) -> None:
        self.calls: dict[str, FunctionCall] = {}
        self.inputs: dict[str, Input] = {}

    def open(self, call: FunctionCall) -> FunctionCall:
        self.calls[call.id] = call
        return call

    def add(
        self, call: FunctionCall, input_id: str, idx: int, payload: api_pb2.FunctionInput, now: float
    ) -> Input:
        """A new input; the one that is there if this index has been sent before."""
        known = call.inputs.get(idx)
        if known is not None:
            return known
        item = Input(input_id, call, idx, payload, now)
        call.inputs[idx] = self.inputs[input_id] = item
        return item

    def forget(self, call_id: str) -> None:
        call = self.calls.pop(call_id, None)
        for item in call.inputs.values() if call else ():
            self.inputs.pop(item.id, None)

    def waiting_for_children(self, function_id: str) -> int:
        """Inputs of a function that now run and wait for calls that they made in turn."""
        parents = {
            call.parent_input_id
            for call in self.calls.values()
            if call.sync and call.parent_input_id and not call.cleared and call.unfinished()
        }
        return sum(
            parent.call.function_id == function_id and parent.state is InputState.RUNNING
            for parent in map(self.inputs.get, parents)
            if parent is not None
        )

    def unfinished(self) -> Iterator[Input]:
        for item in self.inputs.values():
            if item.state is not InputState.DONE:
                yield item
