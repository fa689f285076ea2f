"""A checkout of its own for a test: the real program, the real CLI, the real providers, a local cloud of its own."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.toolchain import ROOT, toolchain

sys.path.insert(0, str(ROOT / "tools"))

from bootstrap import shim

QUESTION = {
    "question": "how do I get my money back?",
    "sentences": ["the cat sleeps", "refunds take five days"],
}
KEPT = ("PATH", "HOME", "LANG", "PILOTLIGHT_CACHE", "XDG_CACHE_HOME")


@dataclass
class Checkout:
    """One project directory with its own state, cloud and credentials: none of this machine's come in."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Checkout":
        root.mkdir(parents=True)
        for name in ("Pulumi.yaml", "stacks", "policies"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, root / name)
        _environment(root)
        (root / ".pilotlight").mkdir()
        shutil.copy2(ROOT / ".pilotlight/toolchain.json", root / ".pilotlight")
        shutil.copytree(ROOT / ".pilotlight/models", root / ".pilotlight/models")
        return cls(root)

    @property
    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "PULUMI_HOME": str(self.root / ".pilotlight/pulumi-home"), "NO_PROXY": "127.0.0.1"}

    def run(self, *command: str, code: int | None = 0, timeout: float = 240, **env: str) -> str:
        """Run a command of the checkout's environment; its whole output. `code=None` takes any exit code."""
        done = subprocess.run(
            [str(self.root / ".venv/bin" / command[0]), *command[1:]],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, *command: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.root / ".venv/bin" / command[0]), *command[1:]],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, code: int | None = 0, **env: str) -> str:
        return self.run("pulumi", "up", "--yes", "--skip-preview", "--stack", "dev", code=code, **env)

    def preview(self, code: int | None = 0, **env: str) -> str:
        return self.run("pulumi", "preview", "--stack", "dev", code=code, **env)

    def call(self, request: dict[str, Any], code: int = 0) -> str:
        return self.run("pilotlight", "call", "search", "--input", json.dumps(request), code=code)

    def settle(self, **faults: Any) -> None:
        """Put faults of the local cloud in force, or with none call all of them off."""
        self.api("POST", "/_local/faults", faults)

    @property
    def cloud(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((self.root / ".pilotlight/cloud.json").read_text())
        return said

    @property
    def cloud_runs(self) -> bool:
        return (self.root / ".pilotlight/cloud.json").exists()

    def api(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """A request to the local RunPod as another client would make it."""
        cloud = self.cloud
        request = urllib.request.Request(
            cloud["url"] + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {key or cloud['runpod']['api_key']}",
                "Content-Type": "application/json",
            },
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def endpoints(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", "/v2/serverless")["endpoints"]
        return found

    def objects(self) -> list[str]:
        """Keys of all objects, by bucket: the object store keeps them as plain files beside some of its own."""
        store = self.root / ".pilotlight/cloud/s3"
        files = (path.relative_to(store) for path in store.rglob("*") if path.is_file())
        return sorted(str(file) for file in files if not file.parts[0].startswith("."))

    def state(self) -> str:
        return (self.root / ".pilotlight/state/.pulumi/stacks/pilotlight/dev.json").read_text()

    def program(self, text: str) -> None:
        (self.root / "stacks/__main__.py").write_text(text)

    def edit(self, old: str, new: str, file: str = "stacks/__main__.py") -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} does not have {old!r}"
        path.write_text(text.replace(old, new))

    def processes(self) -> dict[int, str]:
        """What runs out of this checkout: process id -> command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                place = os.readlink(entry / "cwd")
            except OSError:
                continue
            if str(self.root) in line or place.startswith(str(self.root)):
                found[int(entry.name)] = line.strip()
        return found


def _environment(root: Path) -> None:
    """The real environment under another path, with a shim of its own."""
    real, mine = ROOT / ".venv", root / ".venv"
    (mine / "bin").mkdir(parents=True)
    for path in (real / "bin").iterdir():
        if path.name != "pulumi":
            (mine / "bin" / path.name).symlink_to(path)
    for name in ("lib", "pyvenv.cfg"):
        (mine / name).symlink_to(real / name)
    found = toolchain()
    shim.write(mine / "bin/pulumi", root=root, real=found.pulumi, bundled=found.pulumi_origin == "built")
