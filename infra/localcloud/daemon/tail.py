"""The end of log files, and what is added to them. Works from the files, so also when the daemon is down."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .paths import CloudPaths

POLL_S = 0.2
BLOCK = 256 << 10  # bytes read from the end of each file at first


def daemon(paths: CloudPaths) -> Callable[[], list[Path]]:
    return lambda: [paths.log] if paths.log.exists() else []


def workers(paths: CloudPaths, endpoint_id: str) -> Callable[[], list[Path]]:
    """One file a worker, the one that was written last at the end."""
    folder = paths.logs / endpoint_id
    return lambda: (
        sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    )


def lines(find: Callable[[], list[Path]], count: int, *, follow: bool, label: bool) -> Iterator[str]:
    """The last `count` lines of the files that `find` names, then with `follow` each new one, of new files too.

    `label` puts the file's name before each line.
    """
    tails: dict[Path, _Tail] = {}
    first = True
    while True:
        fresh = []
        for path in find():
            if path not in tails:
                tails[path] = _Tail(path, from_end=first)
            prefix = f"{path.stem} | " if label else ""
            fresh += [prefix + line for line in tails[path].fresh()]
        yield from fresh[-count:] if first else fresh
        if not follow:
            return
        first = False
        if not fresh:
            time.sleep(POLL_S)


class _Tail:
    def __init__(self, path: Path, *, from_end: bool) -> None:
        self._path = path
        self._file = path.open("rb")
        self._partial = b""
        size = os.fstat(self._file.fileno()).st_size
        if from_end and size > BLOCK:
            self._file.seek(size - BLOCK)
            self._file.readline()

    def fresh(self) -> list[str]:
        """Whole lines since the last call; goes on with the new file when the old one was moved aside."""
        received = self._partial + self._file.read()
        if self._path.exists() and self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            self._file.close()
            self._file = self._path.open("rb")
            received += self._file.read()
        *whole, self._partial = received.split(b"\n")
        return [line.decode(errors="replace") for line in whole]
