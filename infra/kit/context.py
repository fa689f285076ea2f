"""What a resource's methods are given: who is asking, the client, and the way back to the engine."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from infra.kit.mark import Mark
from infra.kit.model import Model
from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN

if TYPE_CHECKING:
    from infra.kit.engine import Engine

C = TypeVar("C")


class Clock(Protocol):
    """Seconds. `monotonic` never goes back."""

    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Cancelled(PilotlightError):
    """The user stopped the run."""

    def __init__(self) -> None:
        super().__init__("stopped before it was finished", fix="run `pulumi up` again: it goes on from here")


@dataclass(frozen=True)
class Subject:
    """The resource that a request is about, from its URN."""

    urn: str

    @property
    def _parts(self) -> list[str]:
        return [*self.urn.split("::", 3), "", "", "", ""][:4]

    @property
    def stack(self) -> str:
        return self._parts[0].removeprefix("urn:pulumi:")

    @property
    def project(self) -> str:
        return self._parts[1]

    @property
    def type(self) -> str:
        return self._parts[2].rsplit("$", 1)[-1]

    @property
    def name(self) -> str:
        return self._parts[3]


@dataclass
class _About:
    subject: Subject
    root: Path | None
    engine: "Engine"

    @property
    def urn(self) -> str:
        return self.subject.urn

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def type(self) -> str:
        return self.subject.type

    @property
    def stack(self) -> str:
        return self.subject.stack

    @property
    def project(self) -> str:
        return self.subject.project

    def status(self, text: str) -> None:
        """A short line beside the resource while `pulumi up` runs; the next one replaces it."""
        self.engine.status(self.urn, text)

    def warn(self, text: str) -> None:
        """A warning that stays in the run's diagnostics."""
        self.engine.warn(self.urn, text)


@dataclass
class CheckContext(_About):
    """For Check and previews: no client, because both touch nothing. `root` is the directory of Pulumi.yaml.

    `olds` are the inputs of the object that is there (wire names, plain), empty for a new one and for a replacement.
    `secrets` are the places of the new inputs that the program keeps secret (wire names), outermost only.
    """

    olds: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[tuple[str | int, ...], ...] = ()

    def known(self, *values: Any) -> bool:
        """Whether none of the values is `UNKNOWN`."""
        return all(value is not UNKNOWN for value in values)


@dataclass
class ConnectContext(_About):
    """For `Provider.connect`, which makes the client at the first create, read, update, delete or invoke."""


@dataclass
class InvokeContext(_About, Generic[C]):
    client: C


@dataclass
class Context(_About, Generic[C]):
    """For create, read, update and delete."""

    client: C
    mark: Mark
    timeout: float
    cancelled: asyncio.Event
    clock: Clock = field(default_factory=SystemClock)
    created_id: str | None = field(default=None, init=False)
    created_state: Model | None = field(default=None, init=False)
    has_id: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()

    def remaining(self) -> float:
        """Seconds left of `timeout`."""
        return max(0.0, self.timeout - (self.clock.monotonic() - self._started))

    def created(self, id: str, state: Model | None = None) -> None:
        """Tell that the object exists: from here on nothing (a stop, a timeout, an error) loses its id."""
        self.created_id = id
        self.created_state = state or self.created_state
        self.has_id.set()

    async def sleep(self, seconds: float) -> None:
        """Wait; raises `Cancelled` as soon as the user stops the run."""
        pause = asyncio.ensure_future(self.clock.sleep(seconds))
        stop = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({pause, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pause, stop):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self.cancelled.is_set():
            raise Cancelled
