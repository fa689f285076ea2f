"""The local cloud of this checkout, found and started: the address is looked up here and never enters state."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    import subprocess

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_START_LIMIT_S = 60.0
_POLL_S = 0.05


class LocalCloudError(PilotlightError):
    """The local cloud cannot be reached or started."""


@dataclass(frozen=True)
class S3:
    url: str
    access_key_id: str
    secret_access_key: str
    region: str


@dataclass(frozen=True)
class Modal:
    """Local Modal's gRPC address, its token, and the base of its web endpoints."""

    server_url: str
    token_id: str
    token_secret: str
    web_url: str


@dataclass(frozen=True)
class LocalCloud:
    """What `.pilotlight/cloud.json` says. `registry_host` is `host:port`; `modal` is None for one that runs without."""

    pid: int
    url: str
    runpod_api_key: str
    registry_url: str
    registry_host: str
    s3: S3
    modal: Modal | None = None


def find_root(start: Path | None = None) -> Path:
    """The directory of Pulumi.yaml, upward from `start` (the working directory)."""
    root = seek_root(start)
    if root is None:
        raise LocalCloudError(
            f"there is no Pulumi.yaml in {start or Path.cwd()} or above",
            wanted="a directory inside a Pulumi project",
            fix="change to the project's directory",
        )
    return root


def seek_root(start: Path | None = None) -> Path | None:
    """As `find_root`, but None where there is none."""
    here = (start or Path.cwd()).resolve()
    return next((path for path in (here, *here.parents) if (path / "Pulumi.yaml").is_file()), None)


def read_cloud(root: Path) -> LocalCloud | None:
    """The running local cloud of a checkout, None when it does not run."""
    try:
        said = json.loads((root / ".pilotlight" / "cloud.json").read_bytes())
        cloud = _parse(said)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return cloud if _alive(cloud.pid, said.get("pid_started")) else None


async def ensure_cloud(root: Path, status: Callable[[str], None]) -> LocalCloud:
    """The running local cloud; starts it, detached, where it does not run yet."""
    cloud = read_cloud(root)
    if cloud is not None:
        return cloud
    status("starting the local cloud")
    log = root / ".pilotlight" / "cloud-start.log"
    process = _start(root, log)
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_LIMIT_S
    while loop.time() < end:
        cloud = read_cloud(root)
        if cloud is not None:
            return cloud
        code = process.poll()
        if code:
            raise LocalCloudError(
                f"the local cloud did not start (exit code {code}): {_last_line(log)}",
                wanted="a running local cloud",
                fix="run `pilotlight cloud up` and see what it says",
            )
        await asyncio.sleep(_POLL_S)
    raise LocalCloudError(
        f"the local cloud was not ready after {_START_LIMIT_S:g} s: {_last_line(log)}",
        wanted="a running local cloud",
        fix="run `pilotlight cloud logs` and `pilotlight cloud up`",
    )


def _start(root: Path, log: Path) -> "subprocess.Popen[bytes]":
    import subprocess  # not at the top: every provider loads this module

    command = root / ".venv" / "bin" / "pilotlight"
    if not command.exists():
        raise LocalCloudError(
            f"the local cloud does not run, and {command} does not exist",
            wanted="the project's environment, to start it from",
            fix="run `make setup`, or start it by hand with `pilotlight cloud up`",
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(command), "cloud", "up"],
            cwd=root,
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _environment(environ: Any) -> dict[str, str]:
    """No credential, no Pulumi configuration: the daemon gets only what it needs to run."""
    return {key: value for key, value in environ.items() if key in _KEPT or key.startswith("PILOTLIGHT_")}


def _parse(said: dict[str, Any]) -> LocalCloud:
    s3, modal = said["s3"], said.get("modal")
    return LocalCloud(
        pid=int(said["pid"]),
        url=said["url"],
        runpod_api_key=said["runpod"]["api_key"],
        registry_url=said["registry"]["url"],
        registry_host=said["registry"]["host"],
        s3=S3(s3["url"], s3["access_key_id"], s3["secret_access_key"], s3["region"]),
        modal=Modal(modal["server_url"], modal["token_id"], modal["token_secret"], modal["web_url"])
        if modal
        else None,
    )


def _alive(pid: int, started: str | None) -> bool:
    """Whether the process runs, and is the one that started then: numbers are given again."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True  # no such file system here: the number alone has to do
    return started is None or (fields[0] not in "ZX" and fields[19] == started)


def _last_line(log: Path) -> str:
    """What it said of the error: from the line that begins with `error:`, or the last line."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no output"
    at = next((index for index, line in enumerate(lines) if line.startswith("error:")), len(lines) - 1)
    return " ".join(line.strip() for line in lines[at:]) if lines else "no output"
