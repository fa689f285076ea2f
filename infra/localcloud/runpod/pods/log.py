"""A pod's log. Unlike a worker, a pod comes back, under the same name: so its lines keep their numbers."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from infra.localcloud.runpod.model import LogLine
from infra.localcloud.runpod.workers.logs import KEPT_LINES, WorkerLog


class PodLog(WorkerLog):
    """The file has one line for each, `<time>/<number> <source> <text>`, from which the last ones are read back.
    Followers are let go when the container ends; a fresh container's lines go on in the same log."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lines.extend(_recorded(self._older, path))
        self._seq = self._lines[-1].seq if self._lines else 0
        self.closed = True

    def open(self) -> None:
        """A container is about to be."""
        self.closed = False

    def close(self, now: float) -> None:
        """Its container ended."""
        if self._partial:
            self._append(now, "container", self._partial.decode("utf-8", "replace"))
            self._partial = b""
        self.closed = True
        self._wake()

    def release(self, now: float) -> None:
        """The end of the log itself."""
        self.close(now)
        self._file.close()

    def _append(self, now: float, source: str, text: str) -> None:
        text = text.replace("\n", " ")
        super()._append(now, source, text)
        self._put(f"{now:.6f}/{self._seq} {source} {text}\n".encode())

    def _write(self, data: bytes) -> None:
        """Raw output is not kept: its lines are."""

    def _put(self, data: bytes) -> None:
        closed, self.closed = self.closed, False
        super()._write(data)
        self.closed = closed


def _recorded(*paths: Path) -> Iterator[LogLine]:
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    for path in paths:
        if path.exists():
            with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
                lines.extend(file)
    for text in lines:
        mark, _, rest = text.rstrip("\n").partition(" ")
        source, _, line = rest.partition(" ")
        ts, _, seq = mark.partition("/")
        try:
            yield LogLine(float(ts), int(seq), source, line)
        except ValueError:
            continue  # the half of a line that a killed daemon wrote
