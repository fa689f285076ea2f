"""Runs `pulumi` for the commands that need the engine."""

import json
import subprocess
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError


class EngineError(PilotlightError):
    """`pulumi` said no; its own words are in `what`."""


def run(root: Path, *arguments: str) -> int:
    """Run `pulumi` in the project with this terminal, and return its exit code."""
    return subprocess.run([executable(root), *arguments], cwd=root, check=False).returncode


def outputs(root: Path, stack: str) -> dict[str, Any]:
    """The outputs of `stack`; secrets stay masked."""
    done = subprocess.run(
        [executable(root), "stack", "output", "--json", "--stack", stack],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise EngineError(
            f"the outputs of stack {stack!r} cannot be read: {done.stderr.strip()}",
            fix=f"run `pulumi up -s {stack}` first, or name another stack with -s",
        )
    parsed: dict[str, Any] = json.loads(done.stdout or "{}")
    return parsed


def export(root: Path, stack: str, *arguments: str) -> dict[str, Any]:
    """The state of `stack`; secrets stay encrypted."""
    done = subprocess.run(
        [executable(root), "stack", "export", "--stack", stack, *arguments],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        # Ctrl-C is for the one who asked, who may be at putting things back.
        start_new_session=True,
    )
    if done.returncode:
        raise EngineError(
            f"the state of stack {stack!r} cannot be read: {done.stderr.strip()}",
            fix=f"run `pulumi up -s {stack}` first, or name another stack with -s",
        )
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def executable(root: Path) -> str:
    """The CLI of this checkout. Raises `EngineError` where set-up has not made it."""
    shim = root / ".venv/bin/pulumi"
    if not shim.exists():
        raise EngineError(
            f"{shim} is missing", wanted="the Pulumi CLI of this checkout", fix="run `make setup`"
        )
    return str(shim)
