"""What the workers of one version say: their phases and their failure for us, the rest for the developer."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from infra.cli.dev_source import Source

_NOISE = ("--- Starting Serverless Worker", "cannot start: ")
_OUR_FRAMES = (
    "/pilotlight_runtime/",
    "<frozen ",
    "/importlib/",
    "/runpod/serverless/",
    "/modal/",
    "/asyncio/",
)
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
        self._tracing = self._hidden = False

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
        if system or sdk or text.startswith(_NOISE) or self._between(text):
            return
        self._say(self._source.mapped(text))

    def begin(self) -> None:
        """A request is sent: a traceback from here on is about it."""
        self.place = None
        self.traced.clear()

    def _between(self, text: str) -> bool:
        """Whether this line of a traceback is about what lies between the cloud and the user's code."""
        if text.startswith("Traceback (most recent call last)"):
            self._tracing, self._hidden, self.place = True, False, None
            return False
        if not self._tracing:
            return False
        if not text.startswith(" "):
            self._tracing = False
            self.traced.set()
            return False
        if frame := _FRAME.match(text):
            self._hidden = any(part in frame["file"] for part in _OUR_FRAMES)
            mapped = self._source.mapped(text)
            if mapped != text and (own := _FRAME.match(mapped)):
                self._hidden, self.place = False, f"{own['file']}:{own['line']}"
        return self._hidden

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
