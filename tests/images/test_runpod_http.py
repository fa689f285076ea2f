"""The same image behind RunPod's load balancer: a server that says when it is ready, and answers while it works."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

GATE = (
    "import os, pathlib\n"
    "class Model:\n"
    "    def load(self, weights):\n"
    "        open(os.environ['GATE']).read()\n"
    "        import threading; self.thread = threading.current_thread().name\n"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


class Worker:
    def __init__(self, process: "subprocess.Popen[str]", port: int, health: int, gate: Path) -> None:
        self.process, self.port, self.health, self.gate = process, port, health, gate

    def load(self) -> None:
        self.gate.write_text("go")  # a reader waits in a pipe: this returns when it has come

    def ping(self) -> int:
        return self.get(f"http://127.0.0.1:{self.health}/ping")

    def get(self, url: str) -> int:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if '"ready"' in line:
                break
        while self.ping() != 200:  # the doors change hands right after the line
            pass

    def post(self, value: object, accept: str = "*/*") -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/",
            data=json.dumps({"input": value}).encode(),
            headers={"Accept": accept},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())


@pytest.fixture
def worker(app: Callable[..., Path], tmp_path: Path) -> Callable[..., object]:
    @contextmanager
    def start(source: str, *, apart: bool = False, **env: str) -> Iterator[Worker]:
        port = free_port()
        health = free_port() if apart else port
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        process = subprocess.Popen(
            [sys.executable, "-u", str(app(source) / "rp_handler.py"), "http"],
            env={
                "PATH": os.environ["PATH"],
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "GATE": str(gate),
                **({"PORT_HEALTH": str(health)} if apart else {}),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Worker(process, port, health, gate)
        finally:
            process.kill()
            process.communicate()

    return start


def listening(one: Worker) -> None:
    while True:
        try:
            one.ping()
            return
        except OSError:
            assert one.process.poll() is None, one.process.communicate()[0]


@pytest.mark.parametrize("apart", [False, True])
def test_it_is_initializing_until_the_model_is_loaded(worker, apart):
    source = GATE + "    def predict(self, request):\n        return {'twice': request['n'] * 2}\n"
    with worker(source, apart=apart) as one:
        listening(one)
        assert one.ping() == 204
        assert one.get(f"http://127.0.0.1:{one.port}/") == 503
        one.load()
        one.wait_ready()
        assert json.loads(one.post({"n": 4})) == {"output": {"twice": 8}}


def test_health_is_answered_while_a_request_blocks(worker):
    source = GATE + "    def predict(self, request):\n        return open(request['until']).read()\n"
    with worker(source) as one, ThreadPoolExecutor(1) as pool:
        one.load()
        one.wait_ready()
        until = one.gate.with_name("until")
        os.mkfifo(until)
        answer = pool.submit(one.post, {"until": str(until)})
        with open(until, "w") as writer:  # opens when predict reads
            assert one.ping() == 200
            writer.write("done")
        assert json.loads(answer.result()) == {"output": "done"}


def test_with_one_request_at_a_time_predict_runs_where_load_ran(worker):
    source = GATE + (
        "    def predict(self, request):\n"
        "        import threading\n        return self.thread == threading.current_thread().name\n"
    )
    with worker(source) as one:
        one.load()
        one.wait_ready()
        assert json.loads(one.post({})) == {"output": True}


def test_requests_beyond_the_concurrency_wait(worker):
    source = GATE + (
        "        import threading; self.now, self.most, self.lock = 0, 0, threading.Lock()\n"
        "    async def predict(self, request):\n"
        "        import asyncio\n"
        "        self.now += 1; self.most = max(self.most, self.now)\n"
        "        await asyncio.sleep(0)\n        await asyncio.sleep(0)\n"
        "        self.now -= 1\n        return self.most\n"
    )
    with worker(source, PILOTLIGHT_CONCURRENCY="2") as one, ThreadPoolExecutor(12) as pool:
        one.load()
        one.wait_ready()
        most = max(json.loads(text)["output"] for text in pool.map(one.post, [{}] * 24))
    assert most <= 2


def test_a_generator_streams_events(worker):
    source = (
        GATE + "    def predict(self, request):\n        for i in range(request['n']):\n            yield i\n"
    )
    with worker(source) as one:
        one.load()
        one.wait_ready()
        assert one.post({"n": 2}, accept="text/event-stream") == "data: 0\n\ndata: 1\n\n"


def test_a_stopped_worker_answers_what_it_has_begun(worker):
    source = GATE + "    def predict(self, request):\n        return open(request['until']).read()\n"
    with worker(source) as one, ThreadPoolExecutor(1) as pool:
        one.load()
        one.wait_ready()
        until = one.gate.with_name("until")
        os.mkfifo(until)
        answer = pool.submit(one.post, {"until": str(until)})
        with open(until, "w") as writer:
            one.process.send_signal(signal.SIGTERM)
            writer.write("done")
        assert json.loads(answer.result()) == {"output": "done"}
        assert one.process.wait(20) in (0, -signal.SIGTERM)


def test_a_port_that_is_taken_is_said(app, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as door:
        done = subprocess.run(
            [
                sys.executable,
                str(app(GATE + "    def predict(self, request): ...\n") / "rp_handler.py"),
                "http",
            ],
            env={"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(door.getsockname()[1])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "cannot be opened: Address already in use" in done.stderr
