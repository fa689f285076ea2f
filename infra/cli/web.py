"""The caller's side of a web endpoint (Modal's, or RunPod's load balancer): one request, its wait made visible."""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.cli.call import CallError, HandlerError
from infra.cli.http import is_local, opener
from infra.kit.local import read_cloud


def call(
    url: str,
    request: dict[str, Any],
    *,
    root: Path,
    stack: str,
    timeout_s: float,
    progress: Callable[[str, float], None],
    clock: Callable[[], float] = time.monotonic,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Send `{"input": request}` to the endpoint at `url` and return the handler's output.

    `headers` say who asks; without them it is a Modal endpoint. What `progress` raises ends the wait.
    """
    headers = dict(headers or headers_for(url, root, stack))
    outgoing = urllib.request.Request(url, data=json.dumps({"input": request}).encode(), headers=headers)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(_send(outgoing, timeout_s)), daemon=True)
    started = clock()
    thread.start()
    while thread.is_alive():
        progress("waiting for the answer", clock() - started)
        thread.join(1.0)
    progress("", clock() - started)
    [answer] = answers
    if isinstance(answer, CallError):
        raise answer
    return output_of(url, *answer)


def headers_for(url: str, root: Path, stack: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a request to `url` needs. Raises CallError where the token for it is not known."""
    key, secret = _proxy_token(url, root, stack, environ)
    return {"Content-Type": "application/json", "Modal-Key": key, "Modal-Secret": secret}


def output_of(url: str, status: int, text: str) -> Any:
    """The handler's output, from an answer's status and body. Raises HandlerError, CallError."""
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and "error" in parsed:
        raise HandlerError(f"the handler failed: {_reason(parsed['error'])}")
    if status >= 400 or not isinstance(parsed, dict):
        fix = "check the API key, or the proxy auth token of Modal" if status == 401 else ""
        raise CallError(f"{urlsplit(url).path} answered {status}: {text.strip()[:2000]}", fix=fix)
    return parsed.get("output")


def _send(request: urllib.request.Request, timeout_s: float) -> tuple[int, str] | CallError:
    """Status and body, or why there are none."""
    try:
        with opener(request.full_url).open(request, timeout=timeout_s) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(100_000).decode(errors="replace")
    except (OSError, ValueError) as error:
        return CallError(f"{request.full_url} did not answer: {error}", fix="check that the cloud is up")


def _reason(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error)
    return str(error)


def _proxy_token(url: str, root: Path, stack: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The proxy auth token that belongs to `url`: the local cloud's for this machine, the workspace's for Modal."""
    if is_local(url):
        cloud = read_cloud(root)
        if cloud is None or cloud.modal is None or not url.startswith(cloud.modal.web_url):
            raise CallError(
                f"the endpoint is at {url}, where this checkout's local cloud does not run",
                fix=f"run `pilotlight cloud up`, then `pulumi up -s {stack}`",
            )
        return cloud.modal.token_id, cloud.modal.token_secret
    key, secret = environ.get("MODAL_KEY"), environ.get("MODAL_SECRET")
    if not key or not secret:
        raise CallError(
            "no proxy auth token for Modal",
            wanted="MODAL_KEY and MODAL_SECRET in the environment",
            fix="make a proxy auth token in the workspace's settings and export both",
        )
    return key, secret
