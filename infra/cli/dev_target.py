"""What the edit-and-run loop asks of a cloud, and what both clouds' sides of it share."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from infra.cli.call import CallError
from infra.cli.dev_log import WorkerLog
from infra.cli.dev_source import Source
from infra.cli.dev_state import Row
from infra.cli.http import is_local
from infra.kit.config import configure
from infra.kit.context import ConnectContext, Context, Subject
from infra.kit.engine import Engine
from infra.kit.mark import Entry, Mark
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
LIMIT_S = 900.0


class CannotStart(PilotlightError):
    """No worker of the version gets ready: it is swapped out again."""


class Superseded(PilotlightError):
    """Nobody waits for this any more."""

    def __init__(self) -> None:
        super().__init__("not waited for any more")


@dataclass(frozen=True)
class Answer:
    """`took` is where the time went: seconds by step, in order; `inside` the worker's own phases."""

    output: Any
    took: dict[str, float] = field(default_factory=dict)
    inside: dict[str, float] = field(default_factory=dict)


Lap = Callable[[str], None]
"""Told of each step at its end."""


class Target(Protocol):
    """One endpoint in one cloud. A version is an image's reference or a module's name."""

    source: Source
    watched: list[Path]
    log: WorkerLog

    async def open(self) -> None:
        """Connect. May be called again after a failure."""

    async def live(self) -> str | None:
        """The version that the cloud runs now; None where the endpoint is gone."""

    async def build(self, lap: Lap) -> str:
        """The version of the code on disk, made ready for `swap`. Raises Broken."""

    async def swap(self, version: str) -> None:
        """Have the cloud run a version that was built here or that the stack deployed."""

    async def call(self, request: dict[str, Any], timeout_s: float) -> Answer:
        """Raises HandlerError, CannotStart, CallError."""

    async def clean(self, versions: list[str]) -> None:
        """Remove what is left of versions that nothing runs any more, where the cloud keeps it apart."""

    async def close(self) -> None: ...


class Voice(Engine):
    """An engine's place for a resource's code that runs without one: its words go to the terminal."""

    def __init__(self, say: Callable[[str], None], *, status: bool = False) -> None:
        super().__init__()
        self._say, self._status = say, status

    def status(self, urn: str, text: str) -> None:
        if self._status:
            self._say(text)

    def warn(self, urn: str, text: str) -> None:
        self._say(f"warning: {text}")


def context(
    client: T,
    urn: str,
    inputs: Any,
    root: Path,
    say: Callable[[str], None],
    *,
    timeout: float = LIMIT_S,
    status: bool = False,
) -> Context[T]:
    """What a provider's own functions are given, about a resource in the state. `status`: say what is waited for."""
    entry = Entry.of(inputs)
    mark = entry.mark if entry else Mark("", "", "")
    return Context(Subject(urn), root, Voice(say, status=status), client, mark, timeout, asyncio.Event())


async def connected(config: Any, provider: Row, root: Path, say: Callable[[str], None]) -> Any:
    """The client of a provider (`config` is its module `config`): what the stack says, and the environment behind it."""
    settings, failures, _ = configure(config.Config, dict(provider.inputs))
    if settings is None:
        raise PilotlightError("; ".join(f"{failure.path}: {failure.reason}" for failure in failures))
    return await config.connect(settings, ConnectContext(Subject(provider.urn), root, Voice(say)))


async def post(
    url: str, request: dict[str, Any], headers: dict[str, str], timeout_s: float
) -> "httpx.Response":
    """A request to a web endpoint. When nobody waits any more it is broken off, so that no worker of the next version
    takes it. Raises CallError."""
    import httpx

    try:
        async with httpx.AsyncClient(
            timeout=timeout_s, follow_redirects=True, trust_env=not is_local(url)
        ) as client:
            return await client.post(url, json={"input": request}, headers=headers)
    except httpx.TimeoutException:
        raise CallError(f"no answer after {timeout_s:.0f} s") from None
    except httpx.HTTPError as error:
        raise CallError(f"{url} did not answer: {error}", fix="check that the cloud is up") from None


async def in_thread(
    function: Callable[..., T], *args: Any, heard: Callable[[str], None] | None = None, **kwargs: Any
) -> T:
    """A call that waits in a thread. It is given `progress`, which raises when nobody waits any more; what that is told
    is passed to `heard` here."""
    given_up = threading.Event()
    loop = asyncio.get_running_loop()

    def progress(phase: str, elapsed_s: float) -> None:
        if given_up.is_set():
            raise Superseded
        if heard is not None and not loop.is_closed():
            loop.call_soon_threadsafe(heard, phase)

    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, failure = None, None
        try:
            result = function(*args, progress=progress, **kwargs)
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(functools.partial(settle, result, failure))

    # Not of the loop's own pool: a request that hangs must not hold up the end of the program.
    threading.Thread(target=work, daemon=True).start()
    try:
        return await future
    finally:
        given_up.set()


async def unless(failed: Awaitable[Any], work: Awaitable[T]) -> T | None:
    """The result of `work`, or None when `failed` comes first; the other one is given up."""
    first, second = asyncio.ensure_future(failed), asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        return second.result() if second in done else None
    finally:
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
