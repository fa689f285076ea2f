"""What the workers of one version say: their phases and their failure for us, the rest for the developer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from infra.cli.dev_source import Source

_NOISE = "--- Starting Serverless Worker"
_KEPT = 10  # lines


class WorkerLog:
    """One for each version that is swapped in. `say` gets the lines that the user's own code wrote."""

    def __init__(self, source: Source, say: Callable[[str], None]) -> None:
        self.phases: dict[str, float] = {}
        self.failure: str | None = None
        self.failed = asyncio.Event()
        self.last: list[str] = []
        self._source, self._say = source, say

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
        noise = system or text.startswith(_NOISE)
        if not noise and not (said is not None and {"requestId", "message"} <= said.keys()):
            self._say(self._source.mapped(text))

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
