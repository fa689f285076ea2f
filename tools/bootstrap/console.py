"""What a user sees of set-up: one line a step, and a sign of life from the long ones."""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TextIO

from bootstrap.places import SetupError

BEAT_S = 10.0  # between lines of a log; a terminal's one line is rewritten each second


class Step:
    """One step of set-up. `done` says how it ended; `note` tells what it is at."""

    def __init__(
        self, title: str, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title, self._out, self._clock = title, out, clock
        self._began = self._shown = clock()
        self._result = "done"
        self._tty = out.isatty()

    def note(self, text: str) -> None:
        now = self._clock()
        if now - self._shown < (1.0 if self._tty else BEAT_S):
            return
        self._shown = now
        self._write(
            f"     {self._title}: {text} ({_elapsed(now - self._began)})", end="" if self._tty else "\n"
        )

    def say(self, text: str) -> None:
        self._write(f"     {self._title}: {text}")

    def done(self, text: str) -> None:
        self._result = text

    def __enter__(self) -> "Step":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took = _elapsed(self._clock() - self._began)
        if error is None:
            self._write(f"ok   {self._title}: {self._result} ({took})")
        else:
            self._write(f"fail {self._title} ({took})")

    def _write(self, line: str, end: str = "\n") -> None:
        self._out.write(f"\r\033[K{line[:110]}{end}" if self._tty else f"{line}{end}")
        self._out.flush()


def run(
    step: Step,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    note: Callable[[int, str], str] | None = None,
) -> str:
    """Run a command and return its standard output; `note` makes a progress text of (lines so far, last line).

    Raises SetupError with the end of what the command said.
    """
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be run: {error}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    reader = _Reader(process.stderr)
    try:
        output = _Reader(process.stdout)
        while process.poll() is None:
            reader.join(0.2)
            step.note((note or (lambda _, last: last))(reader.count, reader.last))
            if not reader.is_alive():
                process.wait()
    except BaseException:
        process.kill()
        raise
    reader.join()
    output.join()
    if process.returncode:
        said = "\n".join(f"    {line}" for line in (*output.tail, *reader.tail))
        raise SetupError(f"`{' '.join(map(str, command))}` failed with code {process.returncode}:\n{said}")
    return "".join(output.lines)


class _Reader(threading.Thread):
    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self.count, self.last = 0, ""
        self.lines: list[str] = []
        self.tail: deque[str] = deque(maxlen=20)
        self._stream = stream
        self.start()

    def run(self) -> None:
        for line in self._stream:
            self.count += 1
            self.last = line.strip()
            self.lines.append(line)
            self.tail.append(line.rstrip())


def _elapsed(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
