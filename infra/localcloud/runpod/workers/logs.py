"""A worker's log: the last lines in memory for readers that follow, all of it (bounded) in a file."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from infra.localcloud.runpod.model import LogLine

KEPT_LINES = 5000
FILE_BYTES = 8 * 1024 * 1024
LINE_BYTES = 64 * 1024


class WorkerLog:
    """Lines in, lines out. `close` ends every follower after the last line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._older = path.with_suffix(".log.1")
        self.closed = False
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._partial = b""
        self._seq = 0
        self._followers: set[asyncio.Event] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def feed(self, data: bytes, now: float) -> None:
        """Raw output of the process; a line is complete with its newline, or when it grows past LINE_BYTES."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LINE_BYTES:
            lines, self._partial = [*lines, self._partial], b""
        for line in lines:
            self._append(now, "container", line.decode("utf-8", "replace").rstrip("\r"))
        self._write(data)

    def system(self, text: str, now: float) -> None:
        self._append(now, "system", text)
        self._write(f"[system] {text}\n".encode())

    def tail(self, count: int) -> list[LogLine]:
        return list(self._lines)[-count:] if count > 0 else []

    async def read(self, tail: int, after: tuple[float, int] | None, follow: bool) -> AsyncIterator[LogLine]:
        past = (
            self.tail(tail)
            if after is None
            else [line for line in self._lines if (line.ts, line.seq) > after]
        )
        last = max([self._seq if after is None else after[1], *(line.seq for line in past)])
        changed = asyncio.Event()
        self._followers.add(changed)
        try:
            for line in past:
                yield line
            while follow:
                fresh = [line for line in self._lines if line.seq > last]
                for line in fresh:
                    last = line.seq
                    yield line
                if fresh:
                    continue
                if self.closed:
                    return
                changed.clear()
                await changed.wait()
        finally:
            self._followers.discard(changed)

    def close(self, now: float) -> None:
        if self.closed:
            return
        if self._partial:
            self._append(now, "container", self._partial.decode("utf-8", "replace"))
            self._partial = b""
        self.closed = True
        self._file.close()
        self._wake()

    def delete(self) -> None:
        """The files; what is in memory stays."""
        for path in (self.path, self._older):
            path.unlink(missing_ok=True)

    def _append(self, now: float, source: str, text: str) -> None:
        self._seq += 1
        self._lines.append(LogLine(now, self._seq, source, text))
        self._wake()

    def _write(self, data: bytes) -> None:
        if self.closed:
            return
        if self._size > FILE_BYTES:
            self._file.close()
            self.path.replace(self._older)
            self._file, self._size = self.path.open("ab", buffering=0), 0
        self._file.write(data)
        self._size += len(data)

    def _wake(self) -> None:
        for event in self._followers:
            event.set()


def last_words(log: WorkerLog, how: str) -> str:
    """Why a process ended: how, and the last that it said. A report of the worker runtime speaks for itself."""
    said = [line.line.strip() for line in log.tail(50) if line.source == "container" and line.line.strip()]
    if not said:
        return how
    try:
        error = json.loads(said[-1])["pilotlight"]["error"]
    except (ValueError, KeyError, TypeError):
        error = said[-1]
    return f"{how}: {str(error)[:300]}"


def prune(folder: Path, keep: int) -> None:
    """Of all log files below `folder`, keep the newest."""
    files = sorted(
        (path for path in folder.rglob("*.log*") if path.is_file()), key=lambda path: path.stat().st_mtime
    )
    for path in files[: max(0, len(files) - keep)]:
        path.unlink(missing_ok=True)
