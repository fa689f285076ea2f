"""RunPod's JavaScript SDK and OpenAI's Python client judge the job API, with the official worker behind it."""

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.localcloud.core.clock import RealClock
from tests.conformance.runpod import tools

pytestmark = pytest.mark.xdist_group("runpod-job-clients")

HERE = Path(__file__).parent
UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "E403",
    "E404",
)
WORKER = """
import asyncio, json
import runpod

async def handler(job):
    given = job["input"]
    if "openai_route" in given:
        body = given.get("openai_input")
        if body is None:
            yield {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 0, "owned_by": "us"}]}
        elif body["model"] == "wrong":
            yield {"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404}
        elif body.get("stream"):
            for word in body["messages"][0]["content"].split():
                delta = {"index": 0, "delta": {"content": word}}
                chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny"}
                yield "data: " + json.dumps(chunk | {"choices": [delta]}) + "\\n\\n"
            yield "data: [DONE]\\n\\n"
        else:
            message = {"role": "assistant", "content": body["messages"][0]["content"]}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            yield {"id": "1", "object": "chat.completion", "created": 0, "model": "tiny", "choices": [choice]}
    elif "fail" in given:
        raise ValueError(given["fail"])
    elif "wait" in given:
        await asyncio.sleep(given["wait"])
    elif "words" in given:
        for word in given["words"]:
            yield word
    else:
        yield given["word"]

options = {"return_aggregate_stream": True, "concurrency_modifier": lambda current: 16}
runpod.serverless.start({"handler": handler, **options})
"""


@pytest.fixture(scope="module")
def fleets() -> Any:
    """What the workers' own tests serve a fleet with."""
    path = HERE.parents[1] / "localcloud" / "workers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("fleet_for_job_clients", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judged(fleets: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a client's program against an endpoint; what it told, by check."""

    def judge(command: list[str], base: str) -> dict[str, Any]:
        async def main() -> dict[str, Any]:
            images = fleets.OneImage(fleets.handler_image(tmp_path, WORKER))
            async with fleets.serve_fleet(tmp_path, RealClock(), images) as cloud:
                await cloud.apply(workers_min=1, workers_max=1)
                environment = {
                    "PATH": os.environ["PATH"],
                    "HOME": str(tmp_path),
                    "KEY": fleets.API_KEY,
                    "ENDPOINT": cloud.record.id,
                    "BASE": cloud.url + base.format(id=cloud.record.id),
                    "NO_PROXY": "127.0.0.1",
                    "PYTHONUTF8": "1",
                }
                pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
                process = await asyncio.create_subprocess_exec(*command, env=environment, **pipes)
                output, errors = await asyncio.wait_for(process.communicate(), 100)
                assert process.returncode == 0, errors.decode()
                told = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
                assert not [one for one in told if "error" in one]
                return {one["name"]: one["value"] for one in told}

        return asyncio.run(main())

    return judge


def test_the_javascript_sdk(judged: Callable[..., dict[str, Any]]) -> None:
    assert judged(["node", str(_javascript() / "jobs.mjs")], "/v2") == {
        "runSync": ["grüezi"],
        "run and status": ["IN_QUEUE", ["later"]],
        "statusSync": ["waited for"],
        "stream": ["a", "b", "c"],
        "failure": ["FAILED", True],
        "cancel": "CANCELLED",
        "health": ["idle", "initializing", "ready", "running", "throttled", "unhealthy"],
        "purgeQueue": "completed",
    }


def test_the_openai_client(judged: Callable[..., dict[str, Any]]) -> None:
    if why := tools.missing(tools.OPENAI):
        pytest.skip(why)
    told = judged([str(tools.python(tools.OPENAI)), str(HERE / "openai_judge.py")], "/v2/{id}/openai/v1")
    assert told == {
        "models": ["tiny"],
        "chat": "grüezi mitenand",
        "stream": ["grüezi", "mitenand"],
        "not found": 404,
        "wrong key": 401,
    }


def _javascript() -> Path:
    """A folder with the judge and the SDK, installed once for each content of the lock file."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: they run RunPod's JavaScript SDK")
    lock = (HERE / "js" / "package-lock.json").read_bytes()
    folder = tools.CACHE / f"runpod-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "js" / name, folder)
        options = ["--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
        command = ["npm", "install", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode and (signs := [sign for sign in UNREACHABLE if sign in done.stderr]):
            pytest.skip(f"RunPod's JavaScript SDK is not here, and npm has no registry: {signs[0]}")
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    shutil.copy(HERE / "js" / "jobs.mjs", folder)
    return folder
