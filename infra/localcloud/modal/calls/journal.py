"""Calls that survive the daemon: what was spawned runs after a restart, and who waits finds its call again."""

import base64
from typing import Any

from modal_proto import api_pb2

from infra.localcloud.core.timers import Timers
from infra.localcloud.modal.calls.book import Book, FunctionCall, Input, InputState, Output
from infra.localcloud.modal.world import World

# Calls that callers wait for mostly end before this, and then are never written.
DELAY_S = 0.05


class Journal:
    """`touch` what has changed; it is on disk soon, and at once where nobody waits for the call. Web requests end with
    their connection and are left out."""

    def __init__(self, world: World, timers: Timers) -> None:
        self._store, self._timers = world.store, timers
        self._calls, self._inputs = world.kv("calls"), world.kv("inputs")
        self._dirty: dict[str, Input] = {}
        self._written: dict[str, set[str]] = {}  # input ids by call id
        self._due = False

    def touch(self, item: Input) -> None:
        if item.call.transient:
            return
        self._dirty[item.id] = item
        if not item.call.sync:
            self.flush()
        elif not self._due:
            self._due = True
            self._timers.after(DELAY_S, self.flush)

    def drop(self, call: FunctionCall) -> None:
        for item in call.inputs.values():
            self._dirty.pop(item.id, None)
        if (input_ids := self._written.pop(call.id, None)) is not None:
            with self._store.transaction():
                self._inputs.delete(*input_ids)
                self._calls.delete(call.id)

    def flush(self) -> None:
        self._due = False
        dirty, self._dirty = self._dirty, {}
        if not dirty:
            return
        with self._store.transaction():
            for item in dirty.values():
                call = item.call
                if call.cleared and call.id not in self._written:
                    continue
                if call.id not in self._written:
                    self._written[call.id] = set()
                    self._calls.put(call.id, _dump_call(call))
                self._written[call.id].add(item.id)
                self._inputs.put(item.id, _dump_input(item))

    def load(self, book: Book) -> list[Input]:
        """Fill the book. Returns what has to run, in the order in which it came: it had begun, or had not."""
        for call_id, row in self._calls.items():
            book.open(_load_call(call_id, row))
            self._written[call_id] = set()
        for input_id, row in self._inputs.items():
            call = book.calls.get(row["call"])
            if call is None:
                self._inputs.delete(input_id)
                continue
            item = _load_input(book, call, input_id, row)
            call.last_seq = max(call.last_seq, item.output.seq if item.output else 0)
            self._written[call.id].add(input_id)
        return sorted(book.unfinished(), key=lambda item: (item.queued_at, item.idx))


def _dump_call(call: FunctionCall) -> dict[str, Any]:
    return {
        "function": call.function_id,
        "sync": call.sync,
        "policy": _text(call.policy),
        "created_at": call.created_at,
        "parent": call.parent_input_id,
        "many": call.many,
    }


def _load_call(call_id: str, row: dict[str, Any]) -> FunctionCall:
    policy = api_pb2.FunctionRetryPolicy.FromString(base64.b64decode(row["policy"]))
    return FunctionCall(
        call_id, row["function"], row["sync"], policy, row["created_at"], row["parent"], row["many"]
    )


def _dump_input(item: Input) -> dict[str, Any]:
    row: dict[str, Any] = {
        "call": item.call.id,
        "idx": item.idx,
        "payload": _text(item.payload),
        "queued_at": item.queued_at,
        "retry_count": item.retry_count,
        "failures": item.failures,
        "crashes": item.crashes,
    }
    if (output := item.output) is not None:
        row["output"] = [
            output.seq,
            _text(output.result),
            output.data_format,
            output.task_id,
            output.started_at,
            output.created_at,
            output.retry_count,
        ]
    return row


def _load_input(book: Book, call: FunctionCall, input_id: str, row: dict[str, Any]) -> Input:
    payload = api_pb2.FunctionInput.FromString(base64.b64decode(row["payload"]))
    item = book.add(call, input_id, row["idx"], payload, row["queued_at"])
    item.retry_count, item.failures, item.crashes = row["retry_count"], row["failures"], row["crashes"]
    if "output" in row:
        seq, result, *rest = row["output"]
        item.state = InputState.DONE
        item.output = Output(seq, api_pb2.GenericResult.FromString(base64.b64decode(result)), *rest)
    return item


def _text(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode()
