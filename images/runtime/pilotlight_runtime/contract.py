"""The handler contract: import the user's class, load it once, and turn each request into a result or a clear error."""

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import StartError

_END = object()


def import_class(directory: Path, file: str, class_name: str) -> type[Any]:
    """The user's class, imported as if Python ran in the handler's directory (so that it pickles by name)."""
    try:
        module = import_file(directory, file)
    except Exception as error:
        raise _failed(f"{file} cannot be imported", error, directory) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise StartError(f"{file} has no class {class_name}")
    return found


def import_file(directory: Path, file: str) -> ModuleType:
    """A module of the user's, imported as if Python ran in the handler's directory."""
    for path in (directory / "packages", directory):
        if path.is_dir() and str(path) not in sys.path:
            sys.path.insert(0, str(path))
    stem = file.removesuffix(".py")
    if "." not in stem:
        return importlib.import_module(stem.replace("/", "."))
    name = stem.replace("/", "_").replace(".", "_")
    spec = importlib.util.spec_from_file_location(name, directory / file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(cls: type[Any], weights: Path, config: Mapping[str, Any], directory: Path) -> Any:
    """An instance, loaded. Native classes take the weights in `load`, Truss classes in the constructor."""
    truss = is_truss(cls)
    try:
        model = cls(**_truss_arguments(cls, weights, config)) if truss else cls()
    except Exception as error:
        raise _failed(f"{cls.__name__} cannot be constructed", error, directory) from error
    try:
        if not truss:
            model.load(weights)
        elif callable(getattr(model, "load", None)):
            model.load()
    except Exception as error:
        raise _failed("load failed", error, directory) from error
    return model


def is_truss(cls: type[Any]) -> bool:
    """Told by the signature: a native `load` takes the weights; a Truss one takes nothing, or is not there."""
    method = getattr(cls, "load", None)
    if method is None:
        return True
    bound = isinstance(inspect.getattr_static(cls, "load"), staticmethod | classmethod)
    try:
        inspect.signature(method).bind(*(None,) * (1 if bound else 2))
    except TypeError:
        return True
    return False


class Calls:
    """Runs `predict`. A plain one runs in this thread when one request runs at a time (as `load` did: some libraries
    keep state per thread); with more at once, or a `pool` given, each runs in a thread of a pool, and the event loop
    stays free."""

    def __init__(
        self,
        model: Any,
        directory: Path,
        *,
        concurrency: int,
        streams: bool,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self._model, self._directory = model, directory
        self._pool = pool or (ThreadPoolExecutor(concurrency, "predict") if concurrency > 1 else None)
        self.streams = streams or _yields(model.predict)

    async def answer(self, request: Any) -> dict[str, Any]:
        """`{"output": result}` or `{"error": message}`; never raises for what a request or the model does."""
        if not isinstance(request, dict):
            return {"error": _no_object(request)}
        try:
            return await self._json(await self._run(request))
        except Exception as error:
            return {"error": self.explain(error, request)}

    async def stream(self, request: Any) -> AsyncIterator[dict[str, Any]]:
        """Each yielded value as `answer` gives it; the stream ends after the first error."""
        if not isinstance(request, dict):
            yield await self.answer(request)
            return
        try:
            async for item in self._items(await self._prepared(request)):
                yield await self._json(item)
        except Exception as error:
            yield {"error": self.explain(error, request)}

    async def result(self, request: Any) -> Any:
        """The output itself: for clouds that carry what `predict` raises to the caller, who sees it as it was raised."""
        if not isinstance(request, dict):
            raise ValueError(_no_object(request))
        return _output(await self._json(await self._run(request)))

    async def results(self, request: Any) -> AsyncIterator[Any]:
        """Each yielded value itself, as `result` gives it."""
        if not isinstance(request, dict):
            raise ValueError(_no_object(request))
        async for item in self._items(await self._prepared(request)):
            yield _output(await self._json(item))

    def _steps(self) -> list[Callable[[Any], Any]]:
        """A Truss model may prepare the request and finish the result in methods of their own."""
        if not is_truss(type(self._model)):
            return [self._model.predict]
        names = ("preprocess", "predict", "postprocess")
        return [method for name in names if (method := getattr(self._model, name, None)) is not None]

    async def _run(self, request: dict[str, Any]) -> Any:
        result: Any = request
        for step in self._steps():
            result = await self._call(step, result)
        if inspect.isasyncgen(result):
            return [item async for item in result]
        if inspect.isgenerator(result):
            return await self._call(list, result)
        return result

    async def _prepared(self, request: dict[str, Any]) -> Any:
        prepared: Any = request
        for step in self._steps()[:-1]:
            prepared = await self._call(step, prepared)
        return prepared

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if (
            self._pool is None
            or inspect.iscoroutinefunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            result = function(*arguments)
        else:
            result = await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        return await result if inspect.isawaitable(result) else result

    async def _json(self, result: Any) -> dict[str, Any]:
        checked: dict[str, Any] = await self._call(_checked, result)
        return checked

    async def _items(self, request: Any) -> AsyncIterator[Any]:
        produced = await self._call(self._model.predict, request)
        if hasattr(produced, "__aiter__"):
            async for item in produced:
                yield item
            return
        iterator: Iterator[Any] = iter(produced)
        while (item := await self._call(next, iterator, _END)) is not _END:
            yield item

    def explain(self, error: Exception, request: dict[str, Any]) -> str:
        """What the caller reads; the developer finds the traceback in the worker's log."""
        sys.stderr.write("".join(traceback.format_exception(error)))
        sys.stderr.flush()
        if type(error) is KeyError and error.args and error.args[0] not in request:
            return f"the input has no {error.args[0]!r}"
        if isinstance(error, ValueError) and str(error):
            return str(error)
        return _words(error) + _where(error, self._directory)


def _truss_arguments(cls: type[Any], weights: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    offered = {
        "config": dict(config),
        "data_dir": weights,
        "secrets": _Secrets(config.get("secrets") or ()),
        "environment": None,
    }
    parameters = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return offered
    return {name: value for name, value in offered.items() if name in parameters}


class _NoSecret(KeyError):
    def __str__(self) -> str:
        return str(self.args[0])


class _Secrets(Mapping[str, str]):
    """A Truss model's secrets: the worker's environment, by the secret's name or its upper-case form."""

    def __init__(self, names: Any) -> None:
        self._names = list(names)

    def __getitem__(self, name: str) -> str:
        for key in (name, name.upper().replace("-", "_")):
            if key in os.environ:
                return os.environ[key]
        raise KeyError(
            f"secret {name!r} is not set: give the endpoint the environment variable {name.upper()}"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _yields(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _checked(result: Any) -> dict[str, Any]:
    """The SDK drops a result that is not JSON and the job never ends: so it is found here, where it can be said."""
    try:
        json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return {"error": f"predict returned what JSON cannot hold: {error}"}
    if isinstance(result, dict) and result.get("error"):
        return {"error": result["error"] if isinstance(result["error"], str) else json.dumps(result["error"])}
    return {"output": result}


def _output(checked: dict[str, Any]) -> Any:
    if "error" in checked:
        raise ValueError(checked["error"])
    return checked["output"]


def _no_object(value: Any) -> str:
    return f"the input is {_json_type(value)}; wanted a JSON object"


def _json_type(value: Any) -> str:
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
    }
    return names.get(type(value), type(value).__name__)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException, directory: Path) -> str:
    """` (model.py line 12, in predict)`: the deepest frame that is the user's own."""
    root = str(directory) + os.sep
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(root)]
    if not frames:
        return ""
    last = frames[-1]
    return f" ({last.filename.removeprefix(root)} line {last.lineno}, in {last.name})"


def _failed(what: str, error: Exception, directory: Path) -> StartError:
    return StartError(f"{what}: {_words(error)}{_where(error, directory)}")
