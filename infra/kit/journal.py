"""What this checkout knows of creations: one small file per URN under `.pilotlight/journal/`, written before the call.

It tells a killed creation (adopt what it left) from a replacement (leave the old one alone). Without it a creation
adopts what carries its mark. Holds marks, ids and generated names: no input, no secret.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

OPEN = "open"  # a call may have been made; nobody has seen the result in the engine's state
RETURNED = "returned"  # the engine has our answer, but may have died before saving it
SETTLED = "settled"  # seen in the engine's state, or the engine ended the run in order


@dataclass
class Line:
    mark: str
    base: str
    phase: str = OPEN
    id: str = ""
    pid: int = 0
    names: dict[str, str] = field(default_factory=dict)


class Journal:
    """Reads a URN's file once; keeps changes in memory until `write`, which a preview never calls."""

    def __init__(self, directory: Path | None, instance: str) -> None:
        self._directory = directory
        self._instance = instance
        self._lines: dict[str, list[Line]] = {}
        self._dirty: set[str] = set()

    def lines(self, urn_hash: str) -> list[Line]:
        known = self._lines.get(urn_hash)
        if known is None:
            known = self._lines[urn_hash] = self._read(urn_hash)
        return known

    def get(self, urn_hash: str, mark: str) -> Line | None:
        return next((line for line in self.lines(urn_hash) if line.mark == mark), None)

    def put(self, urn_hash: str, line: Line) -> None:
        lines = [old for old in self.lines(urn_hash) if old.mark != line.mark]
        self._lines[urn_hash] = [*lines, line]
        self._dirty.add(urn_hash)

    def settle(self, urn_hash: str, mark: str) -> None:
        line = self.get(urn_hash, mark) or Line(mark, "")
        if line.phase != SETTLED:
            line.phase = SETTLED
            self.put(urn_hash, line)

    def drop(self, urn_hash: str, mark: str) -> None:
        if self.get(urn_hash, mark):
            self._lines[urn_hash] = [line for line in self.lines(urn_hash) if line.mark != mark]
            self._dirty.add(urn_hash)

    def write(self) -> None:
        """Put every change on disk. A disk that refuses costs only the journal's help, so it is no error."""
        with contextlib.suppress(OSError):
            for urn_hash in list(self._dirty):
                self._write(urn_hash)
                self._dirty.discard(urn_hash)

    def _path(self, urn_hash: str) -> Path | None:
        return self._directory / f"{self._instance}-{urn_hash}.json" if self._directory else None

    def _read(self, urn_hash: str) -> list[Line]:
        path = self._path(urn_hash)
        if path is None:
            return []
        try:
            return [Line(**line) for line in json.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self, urn_hash: str) -> None:
        path = self._path(urn_hash)
        if path is None:
            return
        lines = self._lines.get(urn_hash, [])
        if not lines:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps([asdict(line) for line in lines]))
        temporary.replace(path)
