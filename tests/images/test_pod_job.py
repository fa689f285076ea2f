"""A job in a pod: attempts in processes of their own, an outcome that is kept, and a pod that is stopped at the end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import images

TRAIN = """
import json, os, pathlib
FOLDER = pathlib.Path(os.environ["PILOTLIGHT_CHECKPOINTS"])

def train(steps=3, fail_until=0):
    last = FOLDER / "last.json"
    start = json.loads(last.read_text()) if last.exists() else 0
    last.write_text(json.dumps(start + 1))
    if start < fail_until:
        raise RuntimeError(f"attempt {start} breaks")
    return {"steps": steps, "start": start}

async def later():
    return "awaited"

def hang():
    open(os.environ["PIPE"]).read()

def vanish():
    os.kill(os.getpid(), 9)
"""


class Console:
    """RunPod's side: what was asked of the pod, answered as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, str]] = []
        self.answers: list[int] = []
        console = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                console.asked.append((self.path, body, self.headers["Authorization"]))
                self.send_response(console.answers.pop(0) if console.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console()
    yield console
    console.server.shutdown()
    console.server.server_close()


@pytest.fixture
def job(tmp_path: Path, console: Console) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    code, app, kept = tmp_path / "code", tmp_path / "app", tmp_path / "kept"
    code.mkdir()
    kept.mkdir()
    (code / "train.py").write_text(TRAIN)
    for path, data in images.render("runpod-job", code).items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_bytes(data)

    def run(entry: str = "train.py:train", **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-u", str(app / "job.py"), entry],
            env={
                "PATH": os.environ["PATH"],
                "PILOTLIGHT_CHECKPOINTS": str(kept),
                "RUNPOD_POD_ID": "pod1",
                "RUNPOD_API_KEY": "of the pod",
                "RUNPOD_API_BASE_URL": console.url,
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def outcome(tmp_path: Path, run: str = "1", function: str = "train") -> Any:
    return json.loads((tmp_path / "kept" / ".pilotlight" / f"{function}-{run}.json").read_text())


STOP = ("/v2/pods/pod1/action", {"action": "stop"}, "Bearer of the pod")


def test_it_runs_with_its_arguments_and_the_pod_is_stopped(job, console, tmp_path):
    done = job(PILOTLIGHT_JOB_ARGUMENTS='{"steps": 7}')
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path)["output"] == {"steps": 7, "start": 0}
    assert console.asked == [STOP]


def test_a_container_that_comes_up_again_does_not_train_again(job, console, tmp_path):
    job()
    job()
    assert json.loads((tmp_path / "kept" / "last.json").read_text()) == 1
    assert console.asked == [STOP, STOP]


def test_another_run_trains_again(job, tmp_path):
    job()
    job(PILOTLIGHT_JOB_RUN="2")
    assert outcome(tmp_path, "2")["output"]["start"] == 1


def test_an_attempt_that_fails_is_followed_by_one_that_goes_on(job, tmp_path):
    done = job(PILOTLIGHT_JOB_ARGUMENTS='{"fail_until": 2}', PILOTLIGHT_JOB_RETRIES="2")
    assert done.returncode == 0
    assert outcome(tmp_path)["output"]["start"] == 2
    assert "RuntimeError: attempt 1 breaks" in done.stderr


def test_a_job_that_runs_out_of_attempts_says_so_and_stops_the_bill(job, console, tmp_path):
    done = job(PILOTLIGHT_JOB_ARGUMENTS='{"fail_until": 9}', PILOTLIGHT_JOB_RETRIES="1")
    assert done.returncode == 1
    assert outcome(tmp_path) == {
        "run": "1",
        "function": "train",
        "status": "failed",
        "error": "it ended with status 1",
        "attempts": 2,
    }
    assert console.asked == [STOP]


def test_a_failed_run_is_tried_again_when_it_is_started_again(job, tmp_path):
    job(PILOTLIGHT_JOB_ARGUMENTS='{"fail_until": 1}')
    assert job(PILOTLIGHT_JOB_ARGUMENTS='{"fail_until": 1}').returncode == 0
    assert outcome(tmp_path)["status"] == "completed"


def test_async_functions_run(job, tmp_path):
    job("train.py:later")
    assert outcome(tmp_path, function="later")["output"] == "awaited"


def test_an_attempt_that_never_ends_is_ended(job, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    job("train.py:hang", PILOTLIGHT_JOB_TIMEOUT_S="1", PIPE=str(pipe))
    assert outcome(tmp_path, function="hang")["error"] == "it ran longer than 1 s"


def test_an_attempt_that_is_killed_is_told_apart(job, tmp_path):
    job("train.py:vanish")
    assert outcome(tmp_path, function="vanish")["error"] == "it ended with signal SIGKILL"


@pytest.mark.parametrize(
    ("entry", "env", "words"),
    [
        ("train", {}, "wanted \"file.py:function\""),
        ("train.py:train", {"PILOTLIGHT_JOB_ARGUMENTS": "["}, "PILOTLIGHT_JOB_ARGUMENTS is not JSON"),
        ("train.py:train", {"PILOTLIGHT_JOB_RETRIES": "-1"}, "wanted a number of at least 0"),
        ("train.py:train", {"PILOTLIGHT_CHECKPOINTS": "/nowhere"}, "wanted the directory of a mounted disk"),
        ("train.py:train", {"PILOTLIGHT_JOB_RUN": "../x"}, "wanted letters, digits"),
    ],
)  # fmt: skip
def test_what_cannot_start_says_why_and_stops_the_bill(job, console, entry, env, words):
    done = job(entry, **env)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert console.asked == [STOP]


def test_a_function_that_is_not_there_is_a_failed_attempt(job, tmp_path):
    assert job("train.py:evaluate").returncode == 1


def test_a_pod_that_cannot_be_stopped_is_told_loudly(job, console):
    console.answers = [403]
    done = job()
    assert "the pod goes on and is billed: it could not be stopped (RunPod answered 403)" in done.stderr
    assert len(console.asked) == 1


def test_the_stop_is_asked_for_again_after_a_bad_minute(console):
    from pilotlight_runtime.pod_stop import stop_own_pod

    waits: list[float] = []
    console.answers = [503, 429, 200]
    pod = {"RUNPOD_POD_ID": "pod1", "RUNPOD_API_KEY": "of the pod"}
    assert stop_own_pod(pod, base_url=console.url, wait=waits.append)
    assert waits == [2.0, 4.0]


def test_outside_a_pod_nothing_is_asked(console):
    from pilotlight_runtime.pod_stop import stop_own_pod

    assert not stop_own_pod({}, base_url=console.url)
    assert console.asked == []
