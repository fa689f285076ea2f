"""A RunPod worker from start to first request: what can overlap does."""

import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .contract import Calls, import_class, load
from .errors import StartError
from .phases import Phases
from .runpod_sdk import import_sdk, serve
from .startup import Background, concurrency, staged_weights, timed

if TYPE_CHECKING:
    from .weights import Weights


@dataclass(frozen=True)
class Handler:
    """The user's class: where it is, and what was read of it when the image was made."""

    directory: Path
    file: str
    class_name: str
    streams: bool
    config: dict[str, Any]


def main(directory: str, file: str, class_name: str, streams: bool, config: dict[str, Any]) -> None:
    """Load the model and serve: jobs of a queue, or with the argument `http` the requests of a load balancer. A worker
    that cannot start says why and exits with status 1."""
    handler = Handler(Path(directory), file, class_name, streams, config)
    phases = Phases()
    serving = _http if sys.argv[1:] == ["http"] else _queue
    try:
        serve_forever = serving(phases, handler, concurrency())
    except StartError as error:
        _die(phases, error)
    phases.ready()
    serve_forever()


def _queue(phases: Phases, handler: Handler, at_once: int) -> Callable[[], None]:
    """The weights come and the SDK is imported in threads, while this one, where libraries expect to be, imports the
    user's code."""
    os.environ.setdefault("RUNPOD_LOG_LEVEL", "INFO")  # the SDK's default, DEBUG, logs every request's output
    sdk, weights = Background(import_sdk), Background(staged_weights)
    try:
        cls, seconds = _class(handler)
    except StartError as error:
        if "partially initialized module" not in str(error):
            raise
        sdk.wait()  # two threads met in one package's circular import: go one after the other
        cls, seconds = _class(handler)
    model = _loaded(phases, handler, cls, seconds, weights)
    calls = Calls(model, handler.directory, concurrency=at_once, streams=handler.streams)
    runpod = _sdk(sdk)
    phases.report("import", sdk.seconds)
    return lambda: serve(runpod, _handler(calls), at_once)


def _http(phases: Phases, handler: Handler, at_once: int) -> Callable[[], None]:
    """`predict` runs in threads, so that the balancer gets an answer about health meanwhile; with one request at a
    time in the very thread that ran `load`."""
    from .asgi import Asgi
    from .runpod_http import Doors
    from .runpod_http import serve as serve_http

    doors, weights = Doors(os.environ), Background(staged_weights)
    cls, seconds = _class(handler)
    pool = ThreadPoolExecutor(at_once, "predict")
    if at_once == 1:
        model = pool.submit(_loaded, phases, handler, cls, seconds, weights).result()
    else:
        model = _loaded(phases, handler, cls, seconds, weights)
    calls = Calls(model, handler.directory, concurrency=at_once, streams=handler.streams, pool=pool)
    return lambda: serve_http(doors, Asgi(calls, at_once=at_once))


def _class(handler: Handler) -> tuple[type[Any], float]:
    return timed(lambda: import_class(handler.directory, handler.file, handler.class_name))


def _loaded(
    phases: Phases, handler: Handler, cls: type[Any], seconds: float, weights: "Background[Weights | None]"
) -> Any:
    staged = weights.result()
    if staged is not None:
        phases.report("weights", weights.seconds, bytes=staged.size_bytes, fetched=staged.fetched_bytes)
    path = handler.directory if staged is None else staged.directory
    model, more = timed(lambda: load(cls, path, handler.config, handler.directory))
    phases.report("load", seconds + more)
    return model


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
