"""What `pilotlight dev` keeps on this disk: who is at it, the last input, and what it put into the cloud.

One directory per stack and endpoint, `.pilotlight/dev/<stack>/<name>/`, readable by its owner alone. A killed process
leaves its record behind; the next one reads it and goes on from there.
"""

import contextlib
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from infra.spec.errors import PilotlightError


class Taken(PilotlightError):
    """Another process is at this endpoint."""


class Record:
    """A context manager: inside, no other `pilotlight dev` of this checkout is at the endpoint."""

    def __init__(self, root: Path, stack: str, name: str) -> None:
        self.directory = root / ".pilotlight" / "dev" / quote(stack, safe="") / quote(name, safe="")
        self._name = name
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Record":
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.directory / "lock").open("a+")
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "?"
            lock.close()
            raise Taken(
                f"`pilotlight dev` is at {self._name!r} already (process {holder})",
                wanted="one at a time: each would swap the other's version out",
                fix=f"end that one with Ctrl-C, or `kill {holder}`",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    @property
    def versions(self) -> list[str]:
        """What this process and killed ones before it put into the cloud."""
        found = self._read("session.json")
        return [str(version) for version in found] if isinstance(found, list) else []

    def note(self, version: str) -> None:
        """Before the cloud is told, so that a killed process's version is known as ours."""
        if version not in self.versions:
            self._write("session.json", [*self.versions, version])

    def forget(self) -> None:
        (self.directory / "session.json").unlink(missing_ok=True)

    @property
    def input(self) -> dict[str, Any] | None:
        """The input of last time."""
        found = self._read("input.json")
        return found if isinstance(found, dict) else None

    def remember(self, request: dict[str, Any]) -> None:
        if request != self.input:
            self._write("input.json", request)

    def _read(self, name: str) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.directory / name).read_bytes())
        return None

    def _write(self, name: str, value: Any) -> None:
        temporary = self.directory / f".{name}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(value, file)
        os.replace(temporary, self.directory / name)
