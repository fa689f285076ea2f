"""What containers write, by app: the last lines in memory and in a file, numbered for those who follow."""

import asyncio
import json
from collections import deque
from dataclasses import asdict
from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.core.clock import Clock
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.model import LogFilter, LogLine

KEPT_LINES = 5000
FILE_BYTES = 4 * 1024 * 1024
LINE_BYTES = 64 * 1024
STDOUT, STDERR = api_pb2.FILE_DESCRIPTOR_STDOUT, api_pb2.FILE_DESCRIPTOR_STDERR
SYSTEM = api_pb2.FILE_DESCRIPTOR_INFO


class Logs:
    """All apps' logs below `folder`. Lines of a deleted app stay readable until `forget`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._apps: dict[str, AppLog] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def of(self, app_id: str) -> "AppLog":
        log = self._apps.get(app_id)
        if log is None:
            log = self._apps[app_id] = AppLog(self._folder / f"{app_id}.jsonl")
        return log

    def sink(self, container: Container, source: int) -> "Stream":
        return Stream(self.of(container.record.app_id), container, source)

    def system(self, container: Container, text: str, now: float) -> None:
        self.of(container.record.app_id).add(container, SYSTEM, f"{text}\n", now)

    def forget(self, app_id: str) -> None:
        log = self._apps.pop(app_id, None)
        if log is not None:
            log.close()
        (self._folder / f"{app_id}.jsonl").unlink(missing_ok=True)

    def close(self) -> None:
        for log in self._apps.values():
            log.close()


class AppLog:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: deque[LogLine] = deque(_read(path), maxlen=KEPT_LINES)
        self._seq = self._lines[-1].seq if self._lines else 0
        self._file = path.open("a", encoding="utf-8")
        if self._file.tell() and not path.read_bytes().endswith(b"\n"):
            self._file.write("\n")
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, container: Container, source: int, text: str, now: float) -> None:
        """The line belongs to an input if the container works on one only."""
        only = next(iter(container.running.values())) if len(container.running) == 1 else None
        self._seq += 1
        line = LogLine(
            ts=now,
            seq=self._seq,
            task_id=container.id,
            function_id=container.record.base_id or container.record.function_id,
            source=source,
            text=text,
            function_call_id=only.call.id if only else "",
            input_id=only.id if only else "",
        )
        self._lines.append(line)
        self._write(line)
        self.wake()

    def read(self, wanted: LogFilter, limit: int = 0, after: int = 0) -> list[LogLine]:
        found = [line for line in self._lines if line.seq > after and _fits(line, wanted)]
        return found[-limit:] if limit else found

    async def changed(self, after: int) -> None:
        if self._seq > after:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        self._file.close()

    def _write(self, line: LogLine) -> None:
        if self._file.closed:
            return
        self._file.write(json.dumps(asdict(line), separators=(",", ":")) + "\n")
        self._file.flush()
        if self._file.tell() > FILE_BYTES:
            self._file.close()
            kept = "".join(json.dumps(asdict(line), separators=(",", ":")) + "\n" for line in self._lines)
            self._path.write_text(kept[-FILE_BYTES // 2 :].partition("\n")[2])
            self._file = self._path.open("a", encoding="utf-8")


class Stream:
    """One of a container's two outputs, cut into lines. A line is complete with its newline, or past LINE_BYTES."""

    def __init__(self, log: AppLog, container: Container, source: int) -> None:
        self._log, self._container, self._source = log, container, source
        self._partial = b""
        self.last = ""

    def feed(self, data: bytes, now: float) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LINE_BYTES:
            lines, self._partial = [*lines, self._partial], b""
        for line in lines:
            self._add(line, now)

    def end(self, now: float) -> None:
        if self._partial:
            self._add(self._partial, now)
            self._partial = b""

    def _add(self, line: bytes, now: float) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.last = text.strip() or self.last
        self._log.add(self._container, self._source, f"{text}\n", now)


def _fits(line: LogLine, wanted: LogFilter) -> bool:
    return (
        (wanted.since is None or line.ts >= wanted.since)
        and (wanted.until is None or line.ts < wanted.until)
        and (not wanted.task_id or line.task_id == wanted.task_id)
        and (not wanted.function_id or line.function_id == wanted.function_id)
        and (not wanted.function_call_id or line.function_call_id == wanted.function_call_id)
        and (not wanted.source or line.source == wanted.source)
        and wanted.search.lower() in line.text.lower()
    )


def _read(path: Path) -> list[LogLine]:
    """What an earlier run of the local cloud wrote; a line cut short by its end is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines()[-KEPT_LINES:] if path.exists() else []:
        try:
            lines.append(LogLine(**json.loads(text)))
        except (ValueError, TypeError):
            continue
    return lines
