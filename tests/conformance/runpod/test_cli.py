"""The `runpod` command of the official SDK: its own program, with a home of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.runpod.serving import Served

pytest.importorskip("runpod", reason="the official SDK (runpod) is not installed")

# One process for all: each start of the SDK costs seconds.
SCRIPT = """
import sys
from click.testing import CliRunner
import runpod
from runpod.cli.entry import runpod_cli

def run(*words, input=None):
    done = CliRunner().invoke(runpod_cli, list(words), input=input)
    print("$", *words)
    print(done.output, done.exception or "")

run("config", sys.argv[1], "--profile", "default")
runpod.api_key = sys.argv[1]
run("ssh", "add-key", input="y\\nmy-key\\n")
run("ssh", "list-keys")
run("pod", "create", "from-the-cli", input="y\\n")
run("pod", "list")
"""


def test_its_commands(local: Served, tmp_path: Path) -> None:
    environment = {**local.environment, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    environment.pop("RUNPOD_API_KEY")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, local.key],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    said = done.stdout
    assert done.returncode == 0, done.stderr
    assert local.key in (tmp_path / ".runpod" / "config.toml").read_text()
    assert "The key has been added" in said
    assert "my-key" in said.split("$ ssh list-keys")[1]
    (pod,) = local.do(lambda service: service.pods.rows.all())
    assert f"Pod {pod['id']} has been created." in said
    assert (pod["image"], pod["gpu"]["id"]) == ("runpod/base:0.0.0", "NVIDIA GeForce RTX 3090")
    table = said.split("$ pod list")[1]
    assert pod["id"] in table
    assert "from-the-cli" in table
    assert "RUNNING" in table
    assert local.pods.records[pod["id"]].env["PUBLIC_KEY"].endswith("my-key")
