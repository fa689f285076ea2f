"""Where a cold start's time goes: one JSON line on stdout per phase, `{"pilotlight": {"phase": ..., "seconds": ...}}`."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Phases:
    """`weights`, `import` (the cloud's SDK) and `load` overlap; `ready` counts from the start of the process's code."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._started = clock()

    @contextmanager
    def measure(self, phase: str) -> Iterator[dict[str, Any]]:
        """Report `phase` when the block ends well; what the block puts into the mapping goes with it."""
        begun = self._clock()
        extra: dict[str, Any] = {}
        yield extra
        self.report(phase, self._clock() - begun, **extra)

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
