"""A real Pulumi project in a temporary directory: the built CLI, a file backend, the toy provider as a process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi

from infra.kit.sdk import CustomResource
from tests.kit.process import Boxes
from tests.kit.toy import BoxInputs, BoxState

REPO = Path(__file__).resolve().parents[2]


class Box(CustomResource):
    token = "toy:index:Box"
    inputs = BoxInputs
    state = BoxState
    url: pulumi.Output[str]

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **args: Any) -> None:
        super().__init__(resource_name, args, opts)


class Stack:
    """The stack `dev` of the project `shop`, with one provider, `toy`."""

    def __init__(self, directory: Path, pulumi_cli: str) -> None:
        self.directory = directory
        self.cloud = directory / "cloud"
        self._cli = pulumi_cli
        self._env = {
            "PATH": f"{Path(pulumi_cli).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_STACK": "dev",
            "PYTHONPATH": str(REPO),
            "TOY_DIR": str(self.cloud),
        }

    @staticmethod
    def make(directory: Path, pulumi_cli: str) -> "Stack":
        stack = Stack(directory, pulumi_cli)
        (directory / "state").mkdir()
        stack._lay_out()
        stack.run("stack", "init", "dev", "--non-interactive")
        return stack

    def copy(self, directory: Path) -> "Stack":
        directory.mkdir()
        for name in ("state", "home"):
            shutil.copytree(self.directory / name, directory / name)
        shutil.copy(self.directory / "Pulumi.dev.yaml", directory)
        stack = Stack(directory, self._cli)
        stack._lay_out()
        return stack

    def _lay_out(self) -> None:
        (self.cloud / "boxes").mkdir(parents=True)
        for pipe in ("reached", "go"):
            os.mkfifo(self.cloud / pipe)
        plugin = self.directory / "bin" / "pulumi-resource-toy"
        plugin.parent.mkdir()
        plugin.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPO)!r})\n"
            "from tests.kit.process import serve_toy\nserve_toy()\n"
        )
        plugin.chmod(0o755)
        (self.directory / "Pulumi.yaml").write_text(
            f"name: shop\nruntime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: {sys.prefix}\n"
            f"plugins:\n  providers:\n    - name: toy\n      path: {plugin.parent}\n"
        )
        self.program("")

    @property
    def boxes(self) -> Boxes:
        return Boxes(self.cloud / "boxes")

    def program(self, body: str) -> None:
        (self.directory / "__main__.py").write_text(
            f"import pulumi\nfrom tests.kit.stack import Box\n{body}\n"
        )

    def set(self, variable: str, value: str) -> None:
        self._env[variable] = value

    def start(self, *args: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self._cli, *args],
            cwd=self.directory,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, code: int | None = 0) -> str:
        process = self.start(*args)
        output, _ = process.communicate(timeout=60)
        assert code is None or process.returncode == code, output
        return output

    def up(self, *args: str, code: int | None = 0) -> str:
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", *args, code=code)

    def preview(self, *args: str) -> str:
        return self.run("preview", "--diff", "--non-interactive", *args)

    def hold(self, point: str) -> None:
        """The next create stops at `before-id` or `before-ready`."""
        (self.cloud / f"hold-{point}").touch()

    def until_held(self) -> None:
        (self.cloud / "reached").read_text()

    def resources(self, type: str = "toy:index:Box") -> list[dict[str, Any]]:
        state = json.loads(self.run("stack", "export"))["deployment"].get("resources", [])
        return [item for item in state if item["type"] == type]

    def state_text(self) -> str:
        return "".join(path.read_text() for path in (self.directory / "state").rglob("*.json*"))


def provider_pids(cli: "subprocess.Popen[str]") -> list[int]:
    """The toy's processes below a running CLI."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == cli.pid and b"pulumi-resource-toy" in command:
            found.append(int(status.parent.name))
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
