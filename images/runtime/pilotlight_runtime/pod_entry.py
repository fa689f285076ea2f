"""A training job inside a pod of RunPod: attempts, each a process of its own, and an end that stops the bill.

RunPod starts a pod's container again when it ends, and bills until the pod is stopped. So the job notes its outcome where the
checkpoints are, and asks for its own pod to be stopped; a container that comes up again for a run that is over only does the latter.

From the environment: PILOTLIGHT_JOB_RUN (names the run; another value is another run), PILOTLIGHT_JOB_ARGUMENTS (a JSON object,
the function's keyword arguments), PILOTLIGHT_JOB_RETRIES, PILOTLIGHT_JOB_TIMEOUT_S (for one attempt), PILOTLIGHT_CHECKPOINTS.
"""

import asyncio
import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import import_file
from .errors import StartError
from .pod_stop import stop_own_pod

_ATTEMPT = "--attempt"
_RESULT_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """One run of one function."""

    file: str
    function: str
    run: str
    arguments: dict[str, Any]
    retries: int
    timeout_s: float | None
    outcome: Path

    @classmethod
    def of(cls, argv: list[str], environment: Mapping[str, str]) -> "Job":
        """Raises StartError."""
        file, _, function = (argv[0] if argv else "").partition(":")
        if not file.endswith(".py") or not function.isidentifier():
            raise StartError(
                f'the argument is {argv[0] if argv else ""!r}; wanted "file.py:function", such as "train.py:train"'
            )
        checkpoints = environment.get("PILOTLIGHT_CHECKPOINTS")
        if not checkpoints or not Path(checkpoints).is_dir():
            raise StartError(
                f"PILOTLIGHT_CHECKPOINTS is {checkpoints!r}; wanted the directory of a mounted disk"
            )
        run = environment.get("PILOTLIGHT_JOB_RUN", "1")
        if not run.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise StartError(f"PILOTLIGHT_JOB_RUN is {run!r}; wanted letters, digits, '-', '_' and '.'")
        timeout = _number(environment, "PILOTLIGHT_JOB_TIMEOUT_S", "0")
        return cls(
            file,
            function,
            run,
            _arguments(environment.get("PILOTLIGHT_JOB_ARGUMENTS", "{}")),
            int(_number(environment, "PILOTLIGHT_JOB_RETRIES", "0")),
            timeout or None,
            Path(checkpoints) / ".pilotlight" / f"{function}-{run}.json",
        )


def main(directory: str) -> None:
    """Run the job to its end; exits with 0 if it has succeeded, now or before."""
    try:
        if sys.argv[1:2] == [_ATTEMPT]:
            _attempt(Path(directory), Job.of(sys.argv[2:], os.environ))
            return
        job = Job.of(sys.argv[1:], os.environ)
    except StartError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        stop_own_pod(os.environ)
        sys.exit(2)
    succeeded = _known(job) or _run(job)
    stop_own_pod(os.environ)
    sys.exit(0 if succeeded else 1)


def _known(job: Job) -> bool:
    """Whether this run has ended well before. One that failed is tried again: that is what a second start is for."""
    try:
        return bool(json.loads(job.outcome.read_text(encoding="utf-8"))["status"] == "completed")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _run(job: Job) -> bool:
    error = ""
    for attempt in range(1, job.retries + 2):
        _say(job, "attempt", attempt=attempt)
        begun = time.monotonic()
        error = _one(job)
        if not error:
            _say(job, "completed", attempt=attempt, seconds=round(time.monotonic() - begun, 3))
            return True
        _say(job, "attempt failed", attempt=attempt, error=error)
    _note(job, {"status": "failed", "error": error, "attempts": job.retries + 1})
    return False


def _one(job: Job) -> str:
    """Why the attempt failed, or nothing. What it left in memory, on this machine or a GPU, goes with its process."""
    process = subprocess.Popen(
        [sys.executable, "-u", sys.argv[0], _ATTEMPT, f"{job.file}:{job.function}"], start_new_session=True
    )
    signal.signal(signal.SIGTERM, lambda *_: _stopped(process))
    try:
        code = process.wait(job.timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"it ran longer than {job.timeout_s:g} s"
    if code == 0:
        return ""
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
    return f"it ended with {how}"


def _attempt(directory: Path, job: Job) -> None:
    try:
        function = getattr(import_file(directory, job.file), job.function, None)
        if function is None:
            raise StartError(f"{job.file} has no function {job.function}")
        result = function(**job.arguments)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
    except StartError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    _note(job, {"status": "completed", "output": _plain(result)})


async def _awaited(result: Any) -> Any:
    return await result


def _plain(result: Any) -> Any:
    """The result as JSON, where it is a small one."""
    try:
        text = json.dumps(result)
    except (TypeError, ValueError):
        return repr(result)[:1000]
    return result if len(text) <= _RESULT_BYTES else f"{len(text)} bytes, too many to keep"


def _note(job: Job, outcome: dict[str, Any]) -> None:
    job.outcome.parent.mkdir(exist_ok=True)
    partial = job.outcome.with_suffix(".partial")
    partial.write_text(json.dumps({"run": job.run, "function": job.function, **outcome}), encoding="utf-8")
    partial.replace(job.outcome)


def _stopped(process: "subprocess.Popen[bytes]") -> None:
    _kill(process)
    sys.exit(128 + signal.SIGTERM)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _say(job: Job, what: str, **more: Any) -> None:
    sys.stdout.write(
        json.dumps({"pilotlight": {"job": job.function, "run": job.run, "is": what, **more}}) + "\n"
    )
    sys.stdout.flush()


def _arguments(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise StartError(f"PILOTLIGHT_JOB_ARGUMENTS is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise StartError("PILOTLIGHT_JOB_ARGUMENTS is no JSON object of keyword arguments")
    return parsed


def _number(environment: Mapping[str, str], name: str, default: str) -> float:
    text = environment.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise StartError(f"{name} is {text!r}; wanted a number of at least 0")
    return value
