"""Starting and stopping the daemon from outside. Standard library only: a command must answer at once."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError

from . import process, record
from .client import Client
from .files import lock
from .paths import CloudPaths

START_S = 60.0
STOP_S = 20.0
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
# Where the packages of images come from.
KEPT_OF_UV = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_CACHE_DIR",
    "HTTPS_PROXY",
    "https_proxy",
)
LOG_LIMIT = 5 << 20  # bytes

Say = Callable[[str], None]


class CloudError(PilotlightError):
    """The local cloud did not start, or is not there."""


def up(paths: CloudPaths, say: Say, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Make it run, and return its record (cloud.json). Quick if it runs already; `assignments` are `key=value`."""
    with _alone(paths):
        running = record.read(paths)
        if running is not None:
            if assignments:
                Client(running).post("/_local/settings", {"set": list(assignments)})
            return running
        _start(paths, say, assignments)
        running = record.read(paths)
    if running is None:
        raise CloudError("the local cloud ended right after its start", fix=f"see {paths.log}")
    return running


def down(paths: CloudPaths, say: Say) -> bool:
    """Stop it and see to it that nothing of it stays alive. False if nothing ran."""
    with _alone(paths):
        found = _daemon(paths)
        if found is not None:
            _stop(*found, say)
        leftovers = process.kill_living_under(paths.cloud)
        if leftovers:
            say(f"killed leftover processes {', '.join(map(str, leftovers))}")
        paths.record.unlink(missing_ok=True)
        remaining = process.living_under(paths.cloud)
        if remaining or (found and process.alive(*found)):
            raise CloudError(
                f"processes of the local cloud do not end: {', '.join(str(pid) for pid, _ in remaining)}",
                fix="end them by hand",
            )
        return found is not None


def reset(paths: CloudPaths, say: Say, *, only_ports: bool = False) -> None:
    """Stop it and forget its state, or only which ports it had."""
    down(paths, say)
    with _alone(paths):
        if only_ports:
            paths.ports.unlink(missing_ok=True)
        elif paths.cloud.exists():
            shutil.rmtree(paths.cloud, onerror=_make_writable)


def require(paths: CloudPaths) -> dict[str, Any]:
    """The record of the running daemon, or a CloudError that says how to start it."""
    running = record.read(paths)
    if running is None:
        raise CloudError(f"the local cloud of {paths.root} is not running", fix="run `pilotlight cloud up`")
    return running


@contextlib.contextmanager
def _alone(paths: CloudPaths) -> Iterator[None]:
    """Two commands at once take turns, so that the second finds what the first has done."""
    held = lock(paths.starting, wait=True)
    assert held is not None
    with held:
        yield


def _start(paths: CloudPaths, say: Say, assignments: Sequence[str]) -> None:
    paths.cloud.mkdir(parents=True, exist_ok=True, mode=0o700)
    if paths.log.exists() and paths.log.stat().st_size > LOG_LIMIT:
        os.replace(paths.log, paths.log.with_suffix(".log.1"))
    reading, writing = os.pipe()
    # -I: neither PYTHON* variables nor the current directory decide what the daemon imports.
    command = [
        sys.executable,
        "-I",
        "-m",
        "infra.localcloud.daemon",
        "--root",
        str(paths.root),
        "--ready-fd",
        str(writing),
    ]
    command += [part for assignment in assignments for part in ("--set", assignment)]
    with paths.log.open("ab") as output:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=paths.root,
            env=_environment(paths),
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    try:
        _await_ready(reading, paths, say)
    except BaseException:
        start = process.started(daemon.pid)
        if start:
            process.send(daemon.pid, start, signal.SIGTERM)
        raise
    finally:
        os.close(reading)
        # It outlives this command on purpose.
        daemon.returncode = 0


def _await_ready(reading: int, paths: CloudPaths, say: Say) -> None:
    end = time.monotonic() + START_S
    buffer = b""
    while True:
        if not select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
            raise CloudError(f"the local cloud is not ready after {START_S:.0f} s", fix=f"see {paths.log}")
        received = os.read(reading, 65536)
        if not received:
            raise CloudError(
                f"the local cloud ended before it was ready: {_last_line(paths)}", fix=f"see {paths.log}"
            )
        buffer += received
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ready" in message:
                return
            if "error" in message:
                error = message["error"]
                raise CloudError(error["what"], wanted=error["wanted"], fix=error["fix"])
            say(message["status"])


def _daemon(paths: CloudPaths) -> tuple[int, str] | None:
    """(pid, start) of the daemon that holds the lock, ready or not."""
    held = lock(paths.lock, wait=False) if paths.lock.exists() else None
    if held is not None or not paths.lock.exists():
        if held:
            held.close()
        return None
    with contextlib.suppress(ValueError):
        pid = int(paths.lock.read_text())
        start = process.started(pid)
        return (pid, start) if start else None
    return None


def _stop(pid: int, start: str, say: Say) -> None:
    process.send(pid, start, signal.SIGTERM)
    if process.wait_gone(pid, start, STOP_S):
        return
    say(f"the daemon (pid {pid}) did not stop within {STOP_S:.0f} s; killing it")
    process.send(pid, start, signal.SIGKILL, group=True)
    process.wait_gone(pid, start, STOP_S)


def _environment(paths: CloudPaths) -> dict[str, str]:
    """Nothing of the caller's secrets: what a program needs to run, our own settings, and the mark to find it by."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in (*KEPT, *KEPT_OF_UV) or name.startswith("PILOTLIGHT_")
    }
    return {**kept, process.MARK: str(paths.cloud)}


def _last_line(paths: CloudPaths) -> str:
    lines = paths.log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _make_writable(function: Any, path: str, _: Any) -> None:
    # Unpacked images are read-only, directories included.
    parent = Path(path).parent
    parent.chmod(0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, 0o700)
        shutil.rmtree(path, onerror=_make_writable)
    else:
        function(path)
