"""Which object was made for which mark, noted on this disk before Modal is asked to make it.

Apps and secrets carry their mark in Modal. Volumes, dicts, queues, file systems and environments have no place for
one: for those this note tells what a killed run left behind from what belongs to someone else.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """`id` is empty until Modal has answered."""

    name: str
    environment: str
    id: str = ""


class Ledger:
    """One small file per mark. A disk that refuses costs only the note, so it is no error."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, mark: str) -> Note | None:
        try:
            return Note(**json.loads(self._path(mark).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, mark: str, note: Note) -> None:
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._path(mark).with_suffix(".tmp")
            temporary.write_text(json.dumps(asdict(note)))
            temporary.replace(self._path(mark))

    def forget(self, mark: str) -> None:
        with contextlib.suppress(OSError):
            self._path(mark).unlink(missing_ok=True)

    def _path(self, mark: str) -> Path:
        return self._directory / f"{mark}.json"
