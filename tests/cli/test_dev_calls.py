"""Requests to an endpoint: what an answer means, and that nobody's job is left behind."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.cli import jobs, web
from infra.cli.call import CallError, HandlerError

URL = "http://127.0.0.1:9/w/search"


class Api(BaseHTTPRequestHandler):
    """RunPod's job API for one job, whose states are `states`; the last one stays."""

    states: list[dict[str, Any]] = []
    asked: list[str] = []

    def do_GET(self) -> None:
        self._answer(self.path)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(self.path)

    def _answer(self, path: str) -> None:
        self.asked.append(path)
        state: dict[str, Any] = {"id": "job-1", "status": "IN_QUEUE"}
        if "/status" in path:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        body = json.dumps({"workers": {}} if path.endswith("/health") else state).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """The address of an endpoint of `tmp_path`'s local cloud."""
    Api.states, Api.asked = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    s3 = {"url": url, "access_key_id": "", "secret_access_key": "", "region": ""}
    cloud = {"pid": os.getpid(), "url": url, "runpod": {"api_key": "key"}, "s3": s3}
    (tmp_path / ".pilotlight").mkdir()
    registry = {"registry": {"url": url, "host": ""}}
    (tmp_path / ".pilotlight/cloud.json").write_text(json.dumps({**cloud, **registry}))
    yield f"{url}/v2/id/runsync"
    server.shutdown()
    server.server_close()


def quiet(phase: str, elapsed_s: float) -> None:
    pass


def test_a_job_is_given_back_whole(endpoint: str, tmp_path: Path) -> None:
    done = {"status": "COMPLETED", "output": 3, "delayTime": 5, "workerId": "w"}
    Api.states = [{"status": "IN_PROGRESS"}, done]
    job = jobs.outcome(endpoint, {}, root=tmp_path, stack="dev", timeout_s=9, progress=quiet)
    assert job == done
    assert not any("/cancel/" in path for path in Api.asked)


def test_a_job_that_nobody_waits_for_is_cancelled(endpoint: str, tmp_path: Path) -> None:
    Api.states = [{"status": "IN_PROGRESS"}]

    def interrupted(phase: str, elapsed_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.outcome(endpoint, {}, root=tmp_path, stack="dev", timeout_s=9, progress=interrupted)
    assert Api.asked[-1] == "/v2/id/cancel/job-1"


def test_a_job_that_takes_too_long_is_cancelled(endpoint: str, tmp_path: Path) -> None:
    Api.states = [{"status": "IN_PROGRESS"}]
    with pytest.raises(CallError, match="no answer"):
        jobs.outcome(endpoint, {}, root=tmp_path, stack="dev", timeout_s=-1, progress=quiet)
    assert Api.asked[-1] == "/v2/id/cancel/job-1"


def test_a_job_that_failed_is_the_handlers_error_and_is_over(endpoint: str, tmp_path: Path) -> None:
    Api.states = [{"status": "FAILED", "error": json.dumps({"error_message": "no such word"})}]
    with pytest.raises(HandlerError, match="no such word"):
        jobs.outcome(endpoint, {}, root=tmp_path, stack="dev", timeout_s=9, progress=quiet)
    assert not any("/cancel/" in path for path in Api.asked)


def test_an_output_may_be_nothing() -> None:
    assert web.output_of(URL, 200, '{"output": null}') is None
    assert web.output_of(URL, 200, '{"output": {"error": 1}}') == {"error": 1}


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_of_the_handler_is_told_from_one_of_the_cloud(status: int) -> None:
    with pytest.raises(HandlerError, match="no such word"):
        web.output_of(URL, status, '{"error": "no such word"}')


@pytest.mark.parametrize(
    ("status", "text"), [(500, "modal-http: boom"), (401, ""), (200, "<html>"), (200, "3")]
)
def test_what_is_no_answer_of_a_handler_names_the_endpoint(status: int, text: str) -> None:
    with pytest.raises(CallError, match=f"/w/search answered {status}") as caught:
        web.output_of(URL, status, text)
    assert not isinstance(caught.value, HandlerError)
