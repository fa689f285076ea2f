"""The end of a log file, and what is added to it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

POLL_S = 0.2
BLOCK = 64 << 10  # bytes; more than 100 lines of ours


def lines(path: Path, count: int, follow: bool) -> Iterator[str]:
    """The last `count` lines, then with `follow` each new one, also after the file was replaced."""
    if not path.exists() and not follow:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    while True:
        with path.open(errors="replace") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - BLOCK))
            yield from (line.rstrip("\n") for line in file.readlines()[-count:])
            if not follow:
                return
            identity = os.fstat(file.fileno()).st_ino
            while path.exists() and path.stat().st_ino == identity:
                line = file.readline()
                if line:
                    yield line.rstrip("\n")
                else:
                    time.sleep(POLL_S)
        while not path.exists():
            time.sleep(POLL_S)
