"""What is already sent of one large upload, kept on disk so that the next run goes on from there."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass
class Journal:
    """One upload's notes; any JSON. With no file behind it (no directory, or another process has it) it forgets."""

    _file: IO[str] | None
    notes: dict[str, Any] = field(default_factory=dict)

    def save(self) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            json.dump(self.notes, self._file)
            self._file.flush()

    def forget(self) -> None:
        """The upload is complete, or must start anew."""
        self.notes.clear()
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)


@contextmanager
def journal(directory: Path | None, *identity: str) -> Iterator[Journal]:
    """The notes for the upload that these words identify, locked against other processes while in use."""
    if directory is None:
        yield Journal(None)
        return
    name = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.json").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield Journal(None)
            return
        yield Journal(file, _read(file))


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        notes = json.load(file)
    except ValueError:
        return {}
    return notes if isinstance(notes, dict) else {}
