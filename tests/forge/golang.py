"""Programs built from Go modules, kept in the cache that set-up uses too."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cli.toolchain import ROOT

sys.path.append(str(ROOT / "tools"))
from bootstrap import golang, store
from bootstrap.console import Step
from bootstrap.places import cache

__all__ = ["ROOT", "Step", "actionlint", "built", "cache", "compile_", "module"]

ACTIONLINT = "v1.7.12"


def actionlint() -> Path:
    """actionlint, built once for a machine."""
    if found := shutil.which("actionlint"):
        return Path(found)

    def build(into: Path, step: Step) -> None:
        source = module("github.com/rhysd/actionlint", ACTIONLINT, into / "src", step)
        compile_(source, "./cmd/actionlint", into / "actionlint", step)
        shutil.rmtree(source)

    return built(f"actionlint-{ACTIONLINT}", build) / "actionlint"


def built(name: str, build: Callable[[Path, Step], None]) -> Path:
    """The cache's entry, or a skip that says what is missing."""
    step = Step(name)
    try:
        return store.entry(name, step, lambda into: build(into, step))
    except (OSError, subprocess.SubprocessError, golang.SetupError) as error:
        pytest.skip(f"{name} cannot be built from its Go module here: {str(error)[-300:]}")


def module(path: str, version: str, into: Path, step: Step) -> Path:
    """A module's source, writable."""
    go, env = golang.toolchain(step)
    told = _run([str(go), "mod", "download", "-json", f"{path}@{version}"], into.parent, env)
    shutil.copytree(json.loads(told)["Dir"], into, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(into):
        os.chmod(folder, 0o755)
    return into


def compile_(source: Path, package: str, to: Path, step: Step, *flags: str, cgo: bool = False) -> None:
    go, env = golang.toolchain(step)
    env = {**env, "CGO_ENABLED": "1" if cgo else "0", "GOFLAGS": "-mod=mod -buildvcs=false"}
    _run([str(go), "build", "-trimpath", *flags, "-o", str(to), package], source, env)
    to.chmod(0o755)


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise OSError(done.stderr)
    return done.stdout
