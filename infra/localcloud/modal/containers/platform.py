"""What the containers share: time, calls, logs, how a process is launched, and whose turn it is to start."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import FaultKind
from infra.localcloud.core.supervisor import Running
from infra.localcloud.core.timers import Timers
from infra.localcloud.core.waiters import Waiters
from infra.localcloud.modal.calls.book import Book, FunctionCall
from infra.localcloud.modal.calls.journal import Journal
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.logs import Logs
from infra.localcloud.modal.containers.tally import Tally
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.world import World


class CannotStart(Exception):
    """No process can be made of this function. The text is the reason."""


class Starter(Protocol):
    """Makes containers real."""

    async def start(self, container: Container) -> Running:
        """Raises CannotStart."""

    async def clean(self, container: Container) -> None:
        """Everything that the start left, once the process is gone."""

    def close(self) -> None: ...


@dataclass
class Platform:
    world: World
    clock: Clock
    timers: Timers
    book: Book
    journal: Journal
    changed: Waiters  # by call id: an output or a chunk came
    logs: Logs
    starter: Starter
    turns: "Turns"
    tally: Tally
    finished: Callable[[FunctionCall], None]  # a call has all its results
    ended: Callable[[Container], None]  # nothing of it runs any more
    boot_delay: Callable[[FunctionRecord], float]  # seconds that a machine and the image take to come

    def say(self, container: Container, text: str) -> None:
        self.logs.system(container, text, self.clock.now())

    def fault(self, kind: FaultKind, record: FunctionRecord, moment: str) -> float | None:
        """Seconds of a fault that befalls this function now: path "/containers/<tag>/<moment>", target "modal"."""
        path = f"/containers/{record.name}/{moment}"
        fault = self.world.faults.take({kind}, "POST", path, "modal")
        return None if fault is None else fault.seconds


class Turns:
    """Starting a Python process is CPU time, so no more start at once than there are cores: the first ones then work
    while the next ones start, and what is no longer needed never starts."""

    def __init__(self, at_once: int = max(2, os.cpu_count() or 1)) -> None:
        self._free = at_once
        self._line: deque[tuple[Container, Callable[[], None]]] = deque()
        self._starting: set[Container] = set()

    def ask(self, container: Container, go: Callable[[], None]) -> None:
        self._line.append((container, go))
        self._next()

    def done(self, container: Container) -> None:
        """It has started, or never will. May be said twice."""
        if container in self._starting:
            self._starting.discard(container)
            self._free += 1
        else:
            self._line = deque(entry for entry in self._line if entry[0] is not container)
        self._next()

    def _next(self) -> None:
        while self._free and self._line:
            container, go = self._line.popleft()
            self._free -= 1
            self._starting.add(container)
            go()
