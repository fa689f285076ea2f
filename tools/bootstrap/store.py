"""The shared cache: every entry is complete or absent, and two set-ups at once make it only once."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bootstrap.console import Step
from bootstrap.places import cache


def entry(name: str, step: Step, build: Callable[[Path], None]) -> Path:
    """The directory `name` of the cache. Where it is missing, `build` fills a directory that then takes its place."""
    final = cache() / name
    if final.is_dir():
        return final
    with _locked(name, step):
        if final.is_dir():
            return final
        for left in cache().glob(f".{name}.tmp-*"):  # of a set-up that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}.tmp-", dir=cache()))
        try:
            staging.chmod(0o755)
            build(staging)
            staging.rename(final)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return final


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file's content in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.chmod(name, mode)
    os.replace(name, path)


@contextlib.contextmanager
def _locked(name: str, step: Step) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step.say("another set-up is making it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
