"""A real Pulumi project in a temporary directory: the built CLI, a file backend, one provider as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
TOOLCHAIN = REPO / ".pilotlight" / "toolchain.json"
QUIETLY = ("--yes", "--skip-preview", "--non-interactive")


class Project:
    """The stack `dev` of the project `shop`, with one provider, served by `serve` ("module:function")."""

    def __init__(self, directory: Path, cli: str, package: str, serve: str, **env: str) -> None:
        self.directory, self._cli, self._package, self._serve = directory, cli, package, serve
        self._env = {
            "PATH": f"{Path(cli).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_STACK": "dev",
            "PYTHONPATH": str(REPO),
            # A program that is rewritten within a second at the same size would be taken from its old byte code.
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        }

    def lay_out(self) -> None:
        """The project's file and the provider's executable."""
        module, _, function = self._serve.partition(":")
        plugin = self.directory / "bin" / f"pulumi-resource-{self._package}"
        plugin.parent.mkdir()
        plugin.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPO)!r})\n"
            f"from {module} import {function}\n{function}()\n"
        )
        plugin.chmod(0o755)
        (self.directory / "Pulumi.yaml").write_text(
            f"name: shop\nruntime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: {sys.prefix}\n"
            f"plugins:\n  providers:\n    - name: {self._package}\n      path: {plugin.parent}\n"
        )

    def init(self) -> None:
        (self.directory / "state").mkdir()
        self.run("stack", "init", "dev", "--non-interactive")

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
        output, _ = process.communicate(timeout=120)
        assert code is None or process.returncode == code, output
        return output

    def up(self, *args: str, code: int | None = 0) -> str:
        return self.run("up", *QUIETLY, *args, code=code)

    def preview(self, *args: str) -> str:
        return self.run("preview", "--diff", "--non-interactive", *args)

    def resources(self, type: str) -> list[dict[str, Any]]:
        state = json.loads(self.run("stack", "export"))["deployment"].get("resources", [])
        return [item for item in state if item["type"] == type]

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.run("stack", "output", "--json")))

    def state_text(self) -> str:
        return "".join(path.read_text() for path in (self.directory / "state").rglob("*.json*"))

    def provider_pids(self, cli: "subprocess.Popen[str]") -> list[int]:
        """This provider's processes below a running CLI."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rsplit(")", 1)[1].split()
                command = (status.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == cli.pid and f"pulumi-resource-{self._package}".encode() in command:
                found.append(int(status.parent.name))
        return found


def pulumi_cli() -> str | None:
    """Where the CLI is; None without one."""
    try:
        return str(json.loads(TOOLCHAIN.read_text())["pulumi"])
    except (OSError, KeyError, ValueError):
        return None


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
