"""A real Gitea with its runner in host mode, from their Go modules. It needs no container, no database and no account."""

import contextlib
import getpass
import json
import os
import secrets
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forge.golang import Step, built, compile_, module

GITEA, RUNNER = "v1.26.0", "v1.0.8"
OWNER, REPO = "acme", "shop"


def gitea() -> Path:
    """The binary; beside it, `src` has the templates and options that it reads. The first build takes minutes."""

    def build(into: Path, step: Step) -> None:
        source = module("code.gitea.io/gitea", GITEA, into / "src", step)
        compile_(source, ".", into / "gitea", step, "-tags", "sqlite sqlite_unlock_notify", cgo=True)
        for left in source.iterdir():
            if left.name not in ("templates", "options", "public"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        (source / "public/assets").mkdir(parents=True, exist_ok=True)

    return built(f"gitea-{GITEA}", build) / "gitea"


def runner() -> Path:
    def build(into: Path, step: Step) -> None:
        source = module("gitea.com/gitea/runner", RUNNER, into / "src", step)
        compile_(source, ".", into / "runner", step)
        shutil.rmtree(source)

    return built(f"gitea-runner-{RUNNER}", build) / "runner"


@dataclass
class Site:
    """A running Gitea with one repository. `token` is its owner's."""

    url: str
    token: str
    home: Path
    binary: Path

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                text = answer.read().decode()
                return (
                    json.loads(text)
                    if answer.headers["Content-Type"].startswith("application/json")
                    else text
                )
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def admin(self, *arguments: str) -> str:
        command = [str(self.binary), *arguments, "--config", str(self.home / "app.ini")]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "GITEA_WORK_DIR": str(self.home)}

    def clone_url(self) -> str:
        return f"http://{OWNER}:{self.token}@{self.url.removeprefix('http://')}/{OWNER}/{REPO}.git"

    def run_next_job(self, cache: Path) -> None:
        """Take one job as a runner does. Returns once it has succeeded."""
        folder = self.home / f"runner-{secrets.token_hex(4)}"
        folder.mkdir()
        config = folder / "config.yaml"
        # The machine's own ways to reach package registries, and nothing of another forge's job.
        theirs = ("GITHUB_", "GITEA_", "CI", "PULUMI_", "PYTEST_", "PILOTLIGHT_", "VIRTUAL_ENV", "_")
        envs = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        envs["PILOTLIGHT_CACHE"] = str(cache)
        host = {"workdir_parent": str(folder / "work")}
        config.write_text(json.dumps({"runner": {"envs": envs, "fetch_interval": "100ms"}, "host": host}))
        common = [str(runner()), "--config", str(config)]
        told = self.admin("actions", "generate-runner-token").split()[-1]
        register = [
            "register",
            "--no-interactive",
            "--instance",
            self.url,
            "--token",
            told,
            "--name",
            folder.name,
        ]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        for command in (
            [*common, *register, "--labels", "ubuntu-latest:host"],
            [*common, "daemon", "--once"],
        ):
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, done.stdout + done.stderr
        repo = f"/repos/{OWNER}/{REPO}/actions"
        job = max(self.api("GET", f"{repo}/jobs")["jobs"], key=lambda one: one["id"])
        assert job["conclusion"] == "success", self.api("GET", f"{repo}/jobs/{job['id']}/logs")


@contextlib.contextmanager
def serve(home: Path) -> Iterator[Site]:
    binary = gitea()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "app.ini").write_text(_settings(home, binary.parent / "src", port))
    site = Site(f"http://127.0.0.1:{port}", "", home, binary)
    site.admin("migrate")
    password = secrets.token_hex(16)
    user = ["--username", OWNER, "--password", password, "--email", "owner@forge.test"]
    site.admin("admin", "user", "create", *user, "--admin", "--must-change-password=false")
    told = ["--username", OWNER, "--scopes", "all", "--raw"]
    site.token = site.admin("admin", "user", "generate-access-token", *told).split()[-1]
    log = home / "web.log"
    with log.open("wb") as out:
        command = [str(binary), "web", "--config", str(home / "app.ini")]
        process = subprocess.Popen(command, env=site.environment(), stdout=out, stderr=out)
    try:
        _wait(process, port, log)
        site.api("POST", "/user/repos", {"name": REPO, "default_branch": "main"})
        yield site
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Until it listens, or has ended."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
            break
    raise AssertionError(log.read_text())


def _settings(home: Path, static: Path, port: int) -> str:
    return f"""
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = {home}
RUN_USER = {_user()}

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
LOCAL_ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
OFFLINE_MODE = true

[database]
DB_TYPE = sqlite3
PATH = {home}/gitea.db

[security]
INSTALL_LOCK = true
SECRET_KEY = {secrets.token_hex(16)}
PASSWORD_HASH_ALGO = pbkdf2_v1

[actions]
ENABLED = true

[log]
MODE = console
LEVEL = Info

[cron.update_checker]
ENABLED = false
"""


def _user() -> str:
    return getpass.getuser()
