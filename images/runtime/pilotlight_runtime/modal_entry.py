"""A handler inside Modal's own container: its start by phase, its calls, and its web endpoint."""

import functools
import importlib
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

from .asgi import Asgi
from .contract import Calls, import_class, import_file, load
from .errors import StartError
from .phases import Phases
from .startup import Background, staged_weights, timed


class Service:
    """One handler class in one container.

    `prepare` (import the code, bring the weights) and `load` are apart so that a memory snapshot can be taken between
    them; what the user's own code raises goes to the caller as it was raised.
    """

    def __init__(
        self,
        directory: Path,
        file: str,
        class_name: str,
        *,
        streams: bool,
        config: dict[str, Any],
        concurrency: int,
    ) -> None:
        self._directory, self._file, self._class_name = directory, file, class_name
        self._streams, self._config, self._concurrency = streams, config, concurrency
        self._phases = Phases()
        self._class: type[Any] | None = None
        self._weights = directory
        self._seconds = 0.0
        self._calls: Calls | None = None

    def start(self) -> None:
        self.prepare()
        self.load()

    def prepare(self) -> None:
        try:
            weights = Background(staged_weights)
            self._class, self._seconds = timed(
                lambda: import_class(self._directory, self._file, self._class_name)
            )
            staged = weights.result()
        except StartError as error:
            self._fail(error)
        if staged is not None:
            self._weights = staged.directory
            sizes = {"bytes": staged.size_bytes, "fetched": staged.fetched_bytes}
            self._phases.report("weights", weights.seconds, **sizes)

    def load(self) -> None:
        assert self._class is not None
        cls = self._class
        try:
            model, seconds = timed(lambda: load(cls, self._weights, self._config, self._directory))
        except StartError as error:
            self._fail(error)
        self._phases.report("load", self._seconds + seconds)
        self._calls = Calls(model, self._directory, concurrency=self._concurrency, streams=self._streams)
        self._phases.ready()

    async def predict(self, request: Any) -> Any:
        return await self._ready().result(request)

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        async for item in self._ready().results(request):
            yield item

    def web(self) -> Asgi:
        return Asgi(self._ready())

    def _ready(self) -> Calls:
        assert self._calls is not None
        return self._calls

    def _fail(self, error: StartError) -> NoReturn:
        self._phases.failed(str(error))
        cause = error.__cause__
        if isinstance(cause, Exception):
            cause.add_note(str(error))
            raise cause
        raise RuntimeError(str(error)) from error


@functools.cache
def function(directory: Path, file: str, name: str) -> Callable[..., Any]:
    """A function of the user's code, imported when it is first called: other functions' code is not needed."""
    phases = Phases()
    try:
        module, seconds = timed(lambda: import_file(directory, file))
    except Exception as error:
        phases.failed(f"{file} cannot be imported: {type(error).__name__}: {error}")
        raise
    phases.report("load", seconds)
    found: Callable[..., Any] = getattr(module, name)
    return found


def fastapi(directory: Path, file: str, name: str, *, method: str, docs: bool) -> Any:
    """The user's function as a route of a FastAPI app, with its own signature."""
    try:
        module = importlib.import_module("fastapi")
    except ImportError:
        traceback.print_exc()
        sys.stderr.write(
            f"{file}:{name} is a fastapi endpoint, and the image has no fastapi: add it to image.pip\n"
        )
        raise
    app = module.FastAPI() if docs else module.FastAPI(openapi_url=None)
    app.add_api_route("/", function(directory, file, name), methods=[method])
    return app
