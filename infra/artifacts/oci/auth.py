"""Who we are to a registry: credentials given or from Docker's config file, and the token flow."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from infra.artifacts.oci.reference import HUB

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_HELPER_S = 20


class Login(NamedTuple):
    """A user and a password; a user of `<token>` makes the password an identity token."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Challenge(NamedTuple):
    """What a registry asks for in `WWW-Authenticate`."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge:
    scheme, _, rest = header.strip().partition(" ")
    return Challenge(scheme.lower(), {key.lower(): value for key, value in _PARAMETER.findall(rest)})


def docker_login(host: str, config: Path | None = None) -> Login | None:
    """The login that `docker login` left for this host, by credential helper or in the file; None if there is none."""
    file = config or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        settings = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(settings, dict):
        return None
    for key in _HUB_KEYS if host == HUB else (host, f"https://{host}", f"https://{host}/v2/"):
        helper = settings.get("credHelpers", {}).get(key) or settings.get("credsStore")
        found = (_from_helper(helper, key) if helper else None) or _from_file(
            settings.get("auths", {}).get(key)
        )
        if found is not None:
            return found
    return None


def _from_file(entry: Any) -> Login | None:
    if not isinstance(entry, dict):
        return None
    if entry.get("identitytoken"):
        return Login("<token>", str(entry["identitytoken"]))
    try:
        user, colon, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except ValueError:
        return None
    return Login(user, password) if colon else None


def _from_helper(helper: str, key: str) -> Login | None:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", helper):
        return None
    try:
        run = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=key,
            capture_output=True,
            text=True,
            timeout=_HELPER_S,
        )
        answer = json.loads(run.stdout) if run.returncode == 0 else {}
        return Login(str(answer["Username"]), str(answer["Secret"])) if answer else None
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return None
