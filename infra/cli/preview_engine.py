"""`pulumi preview` of one stack, and what it says while it runs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from infra.cli.engine import EngineError
from infra.cli.preview_start import Started
from infra.report import events
from infra.report.model import Diagnostic

_LOCKED = re.compile(
    r"currently locked|is locked by|another update is currently in progress|\b409\b", re.IGNORECASE
)
_NO_STACK = re.compile(r"no stack named|stack .* not found", re.IGNORECASE)
_NO_BACKEND = re.compile(
    r"PULUMI_ACCESS_TOKEN|not logged in|problem logging in|pulumi login|invalid access token|unauthorized|connection refused"
    r"|no such host|dial tcp|i/o timeout|could not (?:open|list|read)|unable to (?:open|read|load).*(?:bucket|backend|state)"
    r"|passphrase|failed to decrypt|no credential|\.pulumi/meta\.yaml|get credentials",
    re.IGNORECASE,
)
_TIDY = re.compile(r"^error: ", re.IGNORECASE)


@dataclass(frozen=True)
class Previewed:
    """`stream` is None where no preview could be begun; `why` says why. `said`: what came beside the events."""

    stream: events.Stream | None
    why: str = ""
    fresh: bool = False
    """Whether the stack is not there yet."""
    said: tuple[Diagnostic, ...] = ()


def preview(begin: Callable[[], Started], stack: str, progress: Callable[[int], None]) -> Previewed:
    """Hear an engine to its end. `progress` is told how many resources have been looked at."""
    try:
        started = begin()
    except EngineError as error:
        return Previewed(None, f"no preview of the engine: {error.what}")
    assert started.running.stdout is not None
    try:
        stream = events.read(_counted(started.running.stdout, progress))
        code = started.running.wait()
        started.beside.seek(0)
        return told(stream, started.beside.read(), code, stack)
    finally:
        started.end()


def told(stream: events.Stream, beside: str, code: int, stack: str) -> Previewed:
    """What a run of the engine amounts to, by its events, what it wrote to standard error, and its exit code."""
    if stream.ended:
        return Previewed(stream)
    lines = [_TIDY.sub("", line.strip()) for line in beside.splitlines() if line.strip()]
    said = " ".join(lines)
    if stream.events == 0 or not stream.changes:
        if _LOCKED.search(said):
            fix = f"wait for the other run to end, or `pulumi cancel -s {stack}` if it is dead"
            return Previewed(stream, said=(Diagnostic("error", f"the stack is locked: {said}. Fix: {fix}"),))
        if _NO_STACK.search(said):
            return Previewed(None, "the stack is not in the backend yet, so all of it is new", fresh=True)
        if _NO_BACKEND.search(said):
            return Previewed(
                None, f"the state of the stack cannot be reached, so only declarations are compared: {said}"
            )
    last = lines[-1] if lines else f"the engine ended with {code} and gave no reason"
    return Previewed(stream, said=(Diagnostic("error", f"the preview broke off: {last}"),))


def _counted(lines: IO[str], progress: Callable[[int], None]) -> Iterator[str]:
    count = 0
    for line in lines:
        if '"resourcePreEvent"' in line:
            count += 1
            progress(count)
        yield line
