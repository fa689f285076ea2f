"""A RunPod worker from start to first job: what can overlap does."""

import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

from .contract import Calls, import_class, load
from .errors import StartError
from .phases import Phases
from .runpod_sdk import import_sdk, serve
from .startup import Background, concurrency, staged_weights, timed


def main(directory: str, file: str, class_name: str, streams: bool, config: dict[str, Any]) -> None:
    """Load the model and serve. The weights come and the SDK is imported in threads, while this one, where libraries
    expect to be, imports the user's code. A worker that cannot start says why and exits with status 1."""
    phases = Phases()
    try:
        runpod, calls, at_once = _start(phases, Path(directory), file, class_name, streams, config)
    except StartError as error:
        _die(phases, error)
    phases.ready()
    serve(runpod, _handler(calls), at_once)


def _start(
    phases: Phases, directory: Path, file: str, class_name: str, streams: bool, config: dict[str, Any]
) -> tuple[Any, Calls, int]:
    at_once = concurrency()
    os.environ.setdefault("RUNPOD_LOG_LEVEL", "INFO")  # the SDK's default, DEBUG, logs every request's output
    sdk, weights = Background(import_sdk), Background(staged_weights)
    try:
        cls, seconds = timed(lambda: import_class(directory, file, class_name))
    except StartError as error:
        if "partially initialized module" not in str(error):
            raise
        sdk.wait()  # two threads met in one package's circular import: go one after the other
        cls, seconds = timed(lambda: import_class(directory, file, class_name))
    staged = weights.result()
    if staged is not None:
        phases.report("weights", weights.seconds, bytes=staged.size_bytes, fetched=staged.fetched_bytes)
    path = directory if staged is None else staged.directory
    model, more = timed(lambda: load(cls, path, config, directory))
    phases.report("load", seconds + more)
    calls = Calls(model, directory, concurrency=at_once, streams=streams)
    runpod = _sdk(sdk)
    phases.report("import", sdk.seconds)
    return runpod, calls, at_once


def _sdk(sdk: Background[Any]) -> Any:
    try:
        return sdk.result()
    except (ImportError, AttributeError):
        pass  # two threads may have met in one package's circular import: once more, alone
    try:
        return import_sdk()
    except ImportError as error:
        raise StartError(f"the image lacks what runpod needs: {error}") from error


def _handler(calls: Calls) -> Callable[[dict[str, Any]], Any]:
    """What the SDK calls: it takes an async generator function to mean a stream."""

    async def answer(job: dict[str, Any]) -> Any:
        result = await calls.answer(job.get("input"))
        if "error" in result:
            return result
        output = result["output"]
        return dict(output) if isinstance(output, dict) else output  # the SDK takes keys out of it

    async def stream(job: dict[str, Any]) -> AsyncIterator[Any]:
        async for result in calls.stream(job.get("input")):
            yield result if "error" in result else result["output"]

    return stream if calls.streams else answer


def _die(phases: Phases, error: StartError) -> NoReturn:
    if error.__cause__ is not None:  # the user's own code failed: its developer needs the traceback
        traceback.print_exception(error.__cause__)
    sys.stderr.write(f"cannot start: {error}\n")
    phases.failed(str(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)  # a download or an import in a thread must not hold up the exit
