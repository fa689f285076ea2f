"""The same answer to the same request: clients send one again, with its key, when they have lost the answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from infra.localcloud.core.clock import Clock

# What must not happen twice. Reading twice does no harm, and its answers would only take memory.
DEDUPLICATED = frozenset({
    "AppCreate", "AppGetOrCreate", "AppPublish", "AppRollback", "AppRollover", "AppPromote",
    "BlobCreate", "ClassCreate", "DictGetOrCreate", "DictPop", "DictUpdate", "EnvironmentCreate",
    "FunctionBindParams", "FunctionCreate",
    "FunctionMap", "FunctionPrecreate", "FunctionPutInputs", "FunctionPutOutputs", "FunctionRetryInputs",
    "ImageGetOrCreate", "MountGetOrCreate", "QueueGetOrCreate", "QueuePut", "SecretGetOrCreate",
    "SharedVolumeGetOrCreate", "SharedVolumeRemoveFile", "VolumeCopyFiles", "VolumeCopyFiles2", "VolumeGetOrCreate",
    "VolumePutFiles", "VolumePutFiles2", "VolumeRemoveFile", "VolumeRemoveFile2",
    "AttemptStart", "AttemptRetry", "MapStartOrContinue",
})  # fmt: skip
KEEP_S = 300.0
KEEP = 4096

Key = tuple[str, str, str]


class Replay:
    """Answers by (caller, method, idempotency key), for five minutes and at most the last 4096. Failures are not
    kept: after them, the next try is a new one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: OrderedDict[Key, tuple[float, asyncio.Task[Message]]] = OrderedDict()

    async def once(self, key: Key, work: Callable[[], Awaitable[Message]]) -> Message:
        """Runs to its end also if this caller goes away, because its retry wants the same answer."""
        self._forget_old()
        kept = self._answers.get(key)
        if kept is None:
            task = asyncio.ensure_future(_run(work))
            task.add_done_callback(lambda done: self._drop_failed(key, done))
            kept = self._answers[key] = (self._clock.monotonic(), task)
        return await asyncio.shield(kept[1])

    def _drop_failed(self, key: Key, done: "asyncio.Task[Message]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._answers.pop(key, None)

    def _forget_old(self) -> None:
        oldest = self._clock.monotonic() - KEEP_S
        while self._answers:
            key, (since, task) = next(iter(self._answers.items()))
            if not task.done() or (since > oldest and len(self._answers) <= KEEP):
                return
            del self._answers[key]


async def _run(work: Callable[[], Awaitable[Message]]) -> Message:
    return await work()
