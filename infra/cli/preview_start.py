"""Begins `pulumi preview`. Light, so that the engine is under way before everything else is imported."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.cli import engine


@dataclass(frozen=True)
class Started:
    """An engine under way: events on `running.stdout`, everything else in `beside`."""

    running: "subprocess.Popen[str]"
    beside: IO[str]

    def end(self) -> None:
        """Stop it, if it has not come to its end by itself."""
        if self.running.poll() is None:
            self.running.terminate()
            self.running.wait()
        if self.running.stdout is not None:
            self.running.stdout.close()
        self.beside.close()


def start(root: Path, stack: str, packs: Sequence[str] = ()) -> Started:
    """Raises `EngineError` where there is no CLI, OSError where it is none."""
    command = [engine.executable(root), "preview", "--json", "--non-interactive", "--stack", stack]
    for pack in packs:
        command += ["--policy-pack", pack]
    beside = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - lives as long as the engine
    running = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "1", "PULUMI_SKIP_UPDATE_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=beside,
        text=True,
        errors="replace",
    )
    return Started(running, beside)
