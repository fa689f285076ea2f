"""A provider as a process: light to start, gone at once, and nothing inherited."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
MAIN = "from tests.kit.process import serve_toy; serve_toy()"


@pytest.fixture
def provider(tmp_path):
    (tmp_path / "boxes").mkdir()
    started = []

    def start(code=MAIN, **more):
        env = {**os.environ, "TOY_DIR": str(tmp_path), **more.pop("env", {})}
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPO, env=env, stdout=subprocess.PIPE, text=True, **more
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_100_ms(provider, number):
    process = provider(stdin=subprocess.PIPE)
    assert int(process.stdout.readline()) > 0
    began = time.perf_counter()
    process.send_signal(number)
    process.wait(timeout=10)
    assert time.perf_counter() - began < 0.1
    assert process.returncode == 0


def test_it_ends_when_the_engines_pipe_closes(provider):
    process = provider(stdin=subprocess.PIPE)
    process.stdout.readline()
    began = time.perf_counter()
    process.stdin.close()
    process.wait(timeout=10)
    assert time.perf_counter() - began < 0.5


def test_it_goes_on_without_a_pipe(provider):
    process = provider(stdin=subprocess.DEVNULL)
    process.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)


def test_it_ends_when_its_parent_is_gone(provider):
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {MAIN!r}], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = provider(code, stdin=subprocess.PIPE)
    watch = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    ready, _, _ = select.select([watch], [], [], 5)
    os.close(watch)
    assert ready


def test_no_child_sees_the_configuration(provider):
    code = (
        "import os, sys\n"
        "sys.argv = ['x']\n"
        "import infra.kit.serve as serve\n"
        "async def look(provider): print({k for k in os.environ if k.startswith('PULUMI_CONFIG')}, flush=True)\n"
        "serve._serve = look\n"
        "serve.main(None)\n"
    )
    secret = {"PULUMI_CONFIG": '{"toy:apiKey":"canary"}', "PULUMI_CONFIG_PASSPHRASE": "canary"}
    process = provider(code, env=secret, stdin=subprocess.DEVNULL)
    assert process.stdout.readline().strip() == "set()"


def test_nothing_heavy_is_loaded_and_the_sdk_can_still_be_imported():
    code = (
        "import sys, json\n"
        "import infra.kit.serve\n"
        "print(json.dumps(sorted(sys.modules)))\n"
        "import pulumi\n"
        "import pulumi.runtime.proto.provider_pb2 as proto\n"
        "assert pulumi.Output\n"
        "from infra.kit.protos import provider_pb2\n"
        "assert provider_pb2 is proto\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(printed.stdout)
    heavy = {
        "httpx",
        "yaml",
        "boto3",
        "modal",
        "runpod",
        "aiohttp",
        "jinja2",
        "opentelemetry",
        "pulumi.resource",
    }
    assert not heavy & set(loaded)
    assert "infra.kit.schema" not in loaded
