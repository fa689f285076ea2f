"""What this checkout knows of creations: one append-only file per provider instance, written before each call.

It tells a killed creation (adopt what it left) from a replacement (leave the old one alone). Without it a creation
adopts what carries its mark. Holds marks, ids and generated names: no input, no secret. An instance belongs to one
stack, which the engine locks, so a file has one writer at a time.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

OPEN = "open"  # a call may have been made; nobody has seen the result in the engine's state
RETURNED = "returned"  # the engine has our answer, but may have died before saving it
SETTLED = "settled"  # seen in the engine's state, or the engine ended the run in order
_GONE = "gone"
_SPARE_EVENTS = 200


@dataclass
class Line:
    """What is known of one mark."""

    mark: str
    base: str
    phase: str = OPEN
    id: str = ""
    pid: int = 0
    names: dict[str, str] = field(default_factory=dict)


class Journal:
    """Loaded at first use. Changes stay in memory until `write`, which a preview never calls."""

    def __init__(self, directory: Path | None, instance: str, owner: str = "") -> None:
        self._path = directory / f"{instance}.jsonl" if directory else None
        self._owner = owner
        self._lines: dict[str, dict[str, Line]] | None = None
        self._events = 0
        self._pending: list[str] = []
        self._file: int | None = None

    def lines(self, urn_hash: str) -> list[Line]:
        return list(self._loaded().get(urn_hash, {}).values())

    def get(self, urn_hash: str, mark: str) -> Line | None:
        return self._loaded().get(urn_hash, {}).get(mark)

    def unfinished(self) -> bool:
        return any(line.phase != SETTLED for lines in self._loaded().values() for line in lines.values())

    def put(self, urn_hash: str, line: Line) -> None:
        self._loaded().setdefault(urn_hash, {})[line.mark] = line
        self._pending.append(_event(urn_hash, line))

    def settle(self, urn_hash: str, mark: str) -> None:
        line = self.get(urn_hash, mark) or Line(mark, "")
        if line.phase != SETTLED:
            line.phase = SETTLED
            self.put(urn_hash, line)

    def drop(self, urn_hash: str, mark: str) -> None:
        if self._loaded().get(urn_hash, {}).pop(mark, None) is not None:
            self._pending.append(_event(urn_hash, Line(mark, "", _GONE)))

    def write(self) -> None:
        """Put every change on disk. A disk that refuses costs only the journal's help, so it is no error."""
        if self._path is None or not self._pending:
            return
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self._open(self._path)
            os.write(self._file, "".join(self._pending).encode())
        self._pending.clear()

    def _loaded(self) -> dict[str, dict[str, Line]]:
        if self._lines is None:
            self._lines = {}
            if self._path is not None:
                with contextlib.suppress(OSError):
                    for event in self._path.read_text().splitlines():
                        self._apply(self._lines, event)
        return self._lines

    def _apply(self, lines: dict[str, dict[str, Line]], event: str) -> None:
        self._events += 1
        # The last event of a killed process may be torn.
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = json.loads(event)
            urn_hash = said.pop("urn")
            line = Line(**said)
            if line.phase == _GONE:
                lines.get(urn_hash, {}).pop(line.mark, None)
            else:
                lines.setdefault(urn_hash, {})[line.mark] = line

    def _open(self, path: Path) -> int:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = [_event(urn, line) for urn, lines in self._loaded().items() for line in lines.values()]
        if self._events > 2 * len(current) + _SPARE_EVENTS:
            temporary = path.with_suffix(".tmp")
            temporary.write_text("".join(current))
            temporary.replace(path)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # The line break ends what a killed process left half written.
        os.write(file, ("\n" + json.dumps({"owner": self._owner}) + "\n").encode())
        return file


def abandoned(directory: Path, owner: str) -> str | None:
    """The instance of a run by `owner` that was killed before the engine saved even the provider's own state.

    Only with unfinished business: an instance whose creations are all settled belongs to a state that was lost or
    is kept elsewhere, and must never match again.
    """
    files = sorted(directory.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files:
        journal = Journal(directory, path.stem)
        said = json.dumps({"owner": owner})
        if said in path.read_text().splitlines() and journal.unfinished():
            return path.stem
    return None


def _event(urn_hash: str, line: Line) -> str:
    return json.dumps({"urn": urn_hash, **asdict(line)}, separators=(",", ":")) + "\n"
