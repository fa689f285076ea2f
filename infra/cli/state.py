"""What a killed run leaves in a stack's state, and how to clear it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError

OURS = ("pilotlight", "pulumi:")


class StateError(PilotlightError):
    """The stack's state cannot be read or written; the engine's own words are in `what`."""


def clear_pending(root: Path, stack: str) -> list[str]:
    """Drop the operations that a killed run left pending in `stack`; the URNs of those dropped.

    The engine keeps such an entry, and warns of it at each run, even after the same resource has been created since. For
    our own resources it says nothing: create adopts what is there by its mark, update repairs, delete accepts the missing.
    A pending creation of another package's resource stays, because something may exist that no state knows of.
    """
    deployment = _pulumi(root, ["stack", "export", "--stack", stack])
    content = json.loads(deployment)
    pending = content.get("deployment", {}).get("pending_operations") or []
    kept = [operation for operation in pending if not _is_safe(operation)]
    if len(kept) == len(pending):
        return []
    content["deployment"]["pending_operations"] = kept
    _pulumi(root, ["stack", "import", "--stack", stack], json.dumps(content))
    return [operation["resource"]["urn"] for operation in pending if _is_safe(operation)]


def _is_safe(operation: dict[str, Any]) -> bool:
    return operation.get("type") != "creating" or str(operation["resource"]["type"]).startswith(OURS)


def _pulumi(root: Path, arguments: list[str], text: str | None = None) -> str:
    shim = root / ".venv/bin/pulumi"
    try:
        done = subprocess.run(
            [shim, *arguments], cwd=root, input=text, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StateError(f"{shim} cannot be run: {error}", fix="run `make setup`") from error
    if done.returncode:
        raise StateError(f"`pulumi {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout
