"""What every resource of this provider is given: the object store, the registry, and where things lie on this disk."""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.artifacts.oci.auth import Login, docker_login
from infra.artifacts.oci.reference import api_url
from infra.artifacts.oci.registry import Registry
from infra.artifacts.store import ObjectStore
from infra.spec.errors import PilotlightError

LOCAL_ALIAS = "registry.pilotlight.internal"
"""How references call the local cloud's registry: free of a port, so that state does not change with it."""
LOCAL_USER = "pilotlight"


class NoRegistry(PilotlightError):
    """The provider's configuration names no registry."""


@dataclass(frozen=True)
class RegistrySettings:
    """`host` is what references say (the local cloud's: an alias), `url` where the API is (None = at the host)."""

    host: str
    url: str | None = None
    login: Login | None = None
    local: bool = False


@dataclass
class Client:
    """`local`: talks to the local cloud. `sleep` is for retries; a test gives one that does not wait."""

    store: ObjectStore
    registry_settings: RegistrySettings | None = None
    local: bool = False
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    build_locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _registries: dict[str, Registry] = field(default_factory=dict)

    async def registry(self) -> Registry:
        """The registry that images are pushed to. Raises `NoRegistry`."""
        settings = self.registry_settings
        if settings is None:
            raise NoRegistry(
                "no registry to push the image to",
                wanted="the host of a container registry, such as ghcr.io",
                fix="Run `pulumi config set pilotlight-artifacts:registry <host>`.",
            )
        return await self._open(settings)

    async def registry_at(self, host: str) -> Registry:
        """The registry of a base image; the one we push to when it is the same."""
        settings = self.registry_settings
        if settings is not None and host == settings.host:
            return await self._open(settings)
        return await self._open(RegistrySettings(host))

    async def _open(self, settings: RegistrySettings) -> Registry:
        if settings.host not in self._registries:
            login = settings.login or await asyncio.to_thread(docker_login, settings.host)
            self._registries[settings.host] = Registry(
                settings.url or api_url(settings.host),
                settings.host,
                login,
                local=settings.local,
                sleep=self.sleep,
            )
        return self._registries[settings.host]


def local_password(root: Path) -> str:
    """The password of the local cloud's registry, from the file that its daemon wrote."""
    said = json.loads((root / ".pilotlight" / "cloud.json").read_bytes())
    return str(said["registry"]["password"])


def cache_dir(root: Path | None, name: str) -> Path:
    """`.pilotlight/cache/<name>` of the project; outside of one, a place of this user's."""
    base = root / ".pilotlight" if root is not None else Path(tempfile.gettempdir()) / f"pilotlight-{_user()}"
    return base / "cache" / name


def shared_cache(name: str) -> Path:
    """A place that all checkouts of this user share: what is kept there is named by its content."""
    if chosen := os.environ.get("PILOTLIGHT_CACHE"):
        return Path(chosen).expanduser() / name
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "pilotlight" / name


def toolchain(root: Path | None) -> dict[str, Any]:
    """What set-up noted of the tools it made (`uv`, `wheelhouse`); empty when it has not run."""
    try:
        noted = json.loads((root / ".pilotlight" / "toolchain.json").read_bytes()) if root else {}
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def resolve(root: Path | None, path: str) -> Path:
    """A path as a user writes it: relative to the directory of Pulumi.yaml."""
    given = Path(path).expanduser()
    return given if given.is_absolute() or root is None else root / given


def _user() -> int:
    return os.getuid()
