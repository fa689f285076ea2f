"""What the workers of one version say: their phases and their failure for us, the rest for the developer."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from infra.cli.dev_source import Source

_NOISE = ("--- Starting Serverless Worker", "cannot start: ")
_OUR_FRAMES = re.compile(
    r"/pilotlight_runtime/|<frozen |/importlib/|/runpod/serverless/|/modal/|/asyncio/|/concurrent/futures/|/pl_[0-9a-f]{20}\.py"
)
_OUR_ERRORS = "pilotlight_runtime.errors."
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)')
_KEPT = 10  # lines


class WorkerLog:
    """One for each version that is swapped in. `say` gets the lines that the user's own code wrote.

    `place` is where the last traceback ends in the user's own code, `file:line`; `traced` is set when one was read.
    """

    def __init__(self, source: Source, say: Callable[[str], None]) -> None:
        self.phases: dict[str, float] = {}
        self.failure: str | None = None
        self.failed = asyncio.Event()
        self.last: list[str] = []
        self.place: str | None = None
        self.traced = asyncio.Event()
        self._source, self._say = source, say
        self._trace: list[str] = []
        self._hidden = self._ours = False

    def line(self, text: str, *, system: bool = False) -> None:
        """`system`: the cloud's own words about the worker, of use only when it cannot start."""
        said = _json(text)
        if said is not None and isinstance(said.get("pilotlight"), dict):
            self._report(said["pilotlight"])
            return
        if not text.strip():
            return
        self.last = [*self.last, text][-_KEPT:]
        # The SDK writes its own lines as JSON with these two keys.
        sdk = said is not None and {"requestId", "message"} <= said.keys()
        if not system and not sdk and not text.startswith(_NOISE):
            self._show(text)

    def begin(self) -> None:
        """A request is sent: a traceback from here on is about it."""
        self.place = None
        self.traced.clear()

    def _show(self, text: str) -> None:
        """What is the user's: of a traceback, the frames that are not between the cloud and the user's code."""
        if text.startswith("Traceback (most recent call last)"):
            self._trace, self._hidden, self.place = [text], False, None
        elif self._trace and text.startswith(" "):
            self._frame(text)
        elif self._trace:
            trace, self._trace = [*self._trace, text], []
            self._ours = text.startswith(_OUR_ERRORS)
            if not self._ours:
                for line in trace:
                    self._say(line)
                self.traced.set()
        elif not (self._ours and text.startswith(_CHAINED)) and self._source.explained(text) == text:
            self._say(text)

    def _frame(self, text: str) -> None:
        if frame := _FRAME.match(text):
            mapped = self._source.mapped(text)
            own = _FRAME.match(mapped) if mapped != text else None
            self._hidden = own is None and bool(_OUR_FRAMES.search(frame["file"]))
            if own:
                self.place = f"{own['file']}:{own['line']}"
            text = mapped
        if not self._hidden:
            self._trace.append(text)

    def _report(self, report: dict[str, Any]) -> None:
        phase, seconds = str(report.get("phase")), report.get("seconds")
        if phase == "failed":
            self.failure = self._source.explained(str(report.get("error")))
            self.failed.set()
        elif isinstance(seconds, int | float):
            self.phases[phase] = float(seconds)


def _json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
