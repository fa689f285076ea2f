"""The caller's side of RunPod's job API: submit, wait with progress, give back the output."""

import contextlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.cli.call import CallError, HandlerError
from infra.cli.http import is_local, opener
from infra.kit.local import read_cloud

_PENDING = {"IN_QUEUE", "IN_PROGRESS", "RUNNING"}
_FAILING_LIMIT_S = 45.0


def call(
    url: str,
    request: dict[str, Any],
    *,
    root: Path,
    stack: str,
    timeout_s: float,
    progress: Callable[[str, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """Send `request` to the endpoint whose `url` is `…/v2/<id>/runsync`, and return the handler's output."""
    job = outcome(url, request, root=root, stack=stack, timeout_s=timeout_s, progress=progress, clock=clock)
    return job.get("output")


def outcome(
    url: str,
    request: dict[str, Any],
    *,
    root: Path,
    stack: str,
    timeout_s: float,
    progress: Callable[[str, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """As `call`, but the whole finished job: `output`, `delayTime`, `executionTime` (ms), `workerId`.

    What `progress` raises ends the wait. A job that is not waited for any more is cancelled.
    """
    job = submit(url, request, root=root, stack=stack)
    try:
        return finished(url, job, root=root, stack=stack, timeout_s=timeout_s, progress=progress, clock=clock)
    except HandlerError:
        raise
    except BaseException:
        cancel(url, job, root=root, stack=stack)
        raise


def submit(url: str, request: dict[str, Any], *, root: Path, stack: str) -> str:
    """Put a job into the queue, and return its id."""
    base = url.removesuffix("/runsync")
    return str(_send(f"{base}/run", _key_for(base, root, stack), {"input": request})["id"])


def cancel(url: str, job: str, *, root: Path, stack: str) -> None:
    """Nobody waits for it any more; no error where it cannot be told."""
    base = url.removesuffix("/runsync")
    with contextlib.suppress(CallError):
        _send(f"{base}/cancel/{job}", _key_for(base, root, stack), {})


def finished(
    url: str,
    job_id: str,
    *,
    root: Path,
    stack: str,
    timeout_s: float,
    progress: Callable[[str, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """The job when it is done. Raises HandlerError where it failed, CallError where it does not get done in time."""
    base = url.removesuffix("/runsync")
    key = _key_for(base, root, stack)
    started = clock()
    failing_since: float | None = None
    job: dict[str, Any] = {"status": "IN_QUEUE"}
    while job.get("status") in _PENDING:
        elapsed = clock() - started
        phase = _phase(base, key, job["status"])
        progress(phase, elapsed)
        if phase is not FAILING and phase is not STARTING:
            failing_since = None
        elif phase is FAILING and failing_since is None:
            failing_since = elapsed
        if elapsed > timeout_s:
            raise CallError(f"no answer after {elapsed:.0f} s: {phase}; the job is cancelled")
        if failing_since is not None and elapsed - failing_since > _FAILING_LIMIT_S:
            raise CallError(
                f"no worker of the endpoint gets ready: they have failed for {elapsed - failing_since:.0f} s; "
                "the job is cancelled",
                fix="read what they print: `pilotlight cloud logs` (local cloud), or the console's worker logs",
            )
        # a long poll: it returns as soon as the job ends, so an answer is never late
        job = _send(f"{base}/status-sync/{job_id}?wait=1000", key, None)
    progress("", clock() - started)
    if job.get("status") != "COMPLETED":
        raise HandlerError(f"the job ended as {job.get('status')}: {_reason(job.get('error'))}")
    return job


STARTING = "a worker is starting"
FAILING = "the worker is unhealthy, and is tried again"


def _phase(url: str, key: str, status: str) -> str:
    if status != "IN_QUEUE":
        return "a worker is on it"
    workers = _send(f"{url}/health", key, None).get("workers", {})
    if workers.get("unhealthy"):
        return FAILING
    if workers.get("initializing"):
        return STARTING
    if workers.get("throttled"):
        return "waiting for a GPU: the worker is throttled"
    return "in the queue"


def _reason(error: Any) -> str:
    """The handler's own message; RunPod wraps an exception as JSON text."""
    try:
        parsed = json.loads(error)
    except (TypeError, ValueError):
        return str(error)
    if not isinstance(parsed, dict):
        return str(error)
    return str(parsed.get("error_message") or error)


def headers_for(url: str, root: Path, stack: str) -> dict[str, str]:
    """What a request to a load balancer needs. Raises CallError where the key for it is not known."""
    return {"Content-Type": "application/json", "Authorization": f"Bearer {_key_for(url, root, stack)}"}


def _key_for(url: str, root: Path, stack: str) -> str:
    """The key that belongs to `url`: the local cloud's for this machine, the account's for the real one."""
    if is_local(url):
        cloud = read_cloud(root)
        if cloud is None or not url.startswith(cloud.url):
            raise CallError(
                f"the endpoint is at {url}, where this checkout's local cloud does not run",
                fix=f"run `pilotlight cloud up`, then `pulumi up -s {stack}`",
            )
        return cloud.runpod_api_key
    key = os.environ.get("RUNPOD_API_KEY")
    if not key:
        raise CallError(
            "no RunPod API key", wanted="RUNPOD_API_KEY in the environment", fix="export RUNPOD_API_KEY=…"
        )
    return key


def _send(url: str, key: str, body: dict[str, Any] | None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with opener(url).open(request, timeout=60) as response:
            parsed: dict[str, Any] = json.load(response)
            return parsed
    except urllib.error.HTTPError as error:
        detail = error.read(2000).decode(errors="replace").strip()
        fix = "check the API key" if error.code == 401 else ""
        raise CallError(f"{urlsplit(url).path} answered {error.code}: {detail}", fix=fix) from None
    except (OSError, ValueError) as error:
        raise CallError(f"{url} did not answer: {error}", fix="check that the cloud is up") from None
