"""Small private files: written whole or not at all, readable by their owner only."""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any


def write_json(path: Path, content: Any) -> None:
    write_private(path, json.dumps(content, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """The content; None if the file is missing or holds no JSON."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def lock(path: Path, *, wait: bool) -> IO[str] | None:
    """Lock the file until it is closed or the process ends; None if someone else holds it and we do not `wait`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
