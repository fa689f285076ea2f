"""A checkout in a temporary directory: the real CLI and the real shim, with a program of the test's own."""

import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.cli.toolchain import ROOT, Toolchain, ToolchainError, toolchain

sys.path.insert(0, str(ROOT / "tools"))

from bootstrap import shim

SETTINGS = "# kept as it is\nconfig:\n  pilotlight:colour: green\n"
PROGRAM = "import pulumi\npulumi.export('one', 1)\n"


@dataclass
class Checkout:
    """A project called pilotlight with its own shim, home and git history."""

    root: Path
    tools: Toolchain
    env: dict[str, str] = field(default_factory=dict)

    @property
    def shim(self) -> Path:
        return self.root / "bin/pulumi"

    @property
    def state(self) -> Path:
        return self.root / ".pilotlight/state/.pulumi/stacks/pilotlight/dev.json"

    @property
    def settings(self) -> Path:
        return self.root / "stacks/Pulumi.dev.yaml"

    def program(self, text: str) -> None:
        """Replace the program, committed."""
        (self.root / "stacks/__main__.py").write_text(textwrap.dedent(text))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a program")

    def pulumi(self, *arguments: str, cwd: str = ".", code: int = 0, **env: str) -> str:
        """Run the shim; its whole output. Fails the test where it ends with another code."""
        return self._run(self.shim, *arguments, cwd=cwd, code=code, **env)

    def real(self, *arguments: str, code: int = 0) -> str:
        """Run the CLI without the shim."""
        return self._run(self.tools.pulumi, *arguments, code=code)

    def _run(self, program: Path, *arguments: str, cwd: str = ".", code: int = 0, **env: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            cwd=self.root / cwd,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (
            f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}"
        )
        return done.stdout

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.shim, *arguments],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def pipe(self, name: str) -> Path:
        """A named pipe: opening it blocks until the other side opens it too."""
        path = self.root / ".pilotlight" / name
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        return path

    def processes(self) -> list[int]:
        """Ids of the processes that run for this checkout: they have its home as theirs."""
        mark = f"HOME={self.root / 'home'}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def survivors(self, pids: list[int], seconds: float) -> list[int]:
        """Wait for processes to end; those that are still there after `seconds`."""
        left = []
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            if not select.select([handle], [], [], seconds)[0]:
                left.append(pid)
            os.close(handle)
        return left


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    try:
        return toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture
def checkout(tmp_path: Path, tools: Toolchain) -> Iterator[Checkout]:
    root = (tmp_path / "a checkout").resolve()
    (root / "stacks").mkdir(parents=True)
    (root / "home").mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", root)
    (root / "stacks/Pulumi.dev.yaml").write_text(SETTINGS)
    (root / ".gitignore").write_text(f"{(ROOT / '.gitignore').read_text()}\n.venv\nhome/\nbin/\n")
    (root / ".venv").symlink_to(ROOT / ".venv")
    shim.write(root / "bin/pulumi", root=root, real=tools.pulumi, bundled=tools.pulumi_origin == "built")
    env = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "HOME": str(root / "home"), "LC_ALL": "C.UTF-8"}
    env["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    made = Checkout(root, tools, env)
    made.git("init", "-q")
    made.program(PROGRAM)
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)
