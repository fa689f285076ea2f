"""Where a cold start's time goes: one JSON line on stdout per phase, `{"pilotlight": {"phase": ..., "seconds": ...}}`."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


class Phases:
    """`weights`, `import` (the cloud's SDK) and `load` overlap; `ready` counts from the start of the process's code.

    To be used from the main thread: `print` writes a line and its end apart, and a report between them is lost."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._started = clock()

    def ready(self) -> None:
        self.report("ready", self._clock() - self._started)

    def failed(self, error: str) -> None:
        self.report("failed", self._clock() - self._started, error=error)

    def report(self, phase: str, seconds: float, **extra: Any) -> None:
        line = json.dumps({"pilotlight": {"phase": phase, "seconds": round(seconds, 4), **extra}})
        self._out.write(
            line + "\n"
        )  # one write: print() would let another thread's line in before the newline
        self._out.flush()
