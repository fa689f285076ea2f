"""Runs a judge, a process that prints a line of JSON for each of its checks."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 240


@dataclass(frozen=True)
class Verdict:
    """`error` is empty if the check passed."""

    check: str
    error: str = ""


def judge(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> dict[str, Verdict]:
    """Fails if the judge itself does."""
    done = subprocess.run(
        command, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, f"the judge said nothing: {done.stderr}"
    assert done.returncode == 0, f"the judge came to no end: {done.stdout}{done.stderr}"
    found = [Verdict(line["check"], "" if line["ok"] else line["error"]) for line in lines]
    return {verdict.check: verdict for verdict in found}
