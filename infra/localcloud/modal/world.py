"""What the rooms of local Modal have in common: time, memory, settings, and every object by its id."""

import asyncio
import secrets
import string
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Namespace, Store

from .errors import not_found
from .model import (
    DEFAULT_ENVIRONMENT,
    AppRecord,
    Blobs,
    ClassRecord,
    DefinitionRecord,
    DeploymentRecord,
    EnvironmentRecord,
    Fleet,
    FunctionRecord,
    Images,
    MountRecord,
    Mounts,
    ProxyToken,
    SecretRecord,
    Secrets,
    Volumes,
    WebRoute,
)
from .tables import Table

if TYPE_CHECKING:
    from .rpc import RpcServer

WORKSPACE = "local"
USER = "local"
IMAGE_BUILDER_VERSION = "2025.06"
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Urls:
    """Without a final "/": the gRPC address; the base of web endpoints, blobs and volume blocks; the status page."""

    server: str
    web: str
    page: str = ""


@dataclass(frozen=True)
class Token:
    id: str
    secret: str


class World:
    """Tables are filled here; the services (`fleet`, `volumes`, …) are put in by whoever assembles the rooms."""

    fleet: Fleet
    volumes: Volumes
    secrets: Secrets
    images: Images
    mounts: Mounts
    blobs: Blobs
    server: "RpcServer"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        faults: Faults,
        meter: SqlMeter,
        state_dir: Path,
        urls: Urls,
        token: Token,
        offered_env: Mapping[str, str] | None = None,
    ) -> None:
        """`offered_env` is for containers that name no object store of their own."""
        self.offered_env = dict(offered_env or {})
        self.store = store
        self.clock = clock
        self.settings = settings
        self.faults = faults
        self.meter = meter
        self.state_dir = state_dir
        self.urls = urls
        self.token = token
        self.apps = Table(self.kv("apps"), AppRecord, "app_id")
        self.functions = Table(self.kv("functions"), FunctionRecord, "function_id")
        self.definitions = Table(self.kv("definitions"), DefinitionRecord, "definition_id")
        self.classes = Table(self.kv("classes"), ClassRecord, "class_id")
        self.deployments = Table(self.kv("deployments"), DeploymentRecord, "key")
        self.web_routes = Table(self.kv("web"), WebRoute, "label")
        self.environments = Table(self.kv("environments"), EnvironmentRecord, "environment_id")
        self.secret_records = Table(self.kv("secrets"), SecretRecord, "secret_id")
        self.proxy_tokens = Table(self.kv("proxy_tokens"), ProxyToken, "token_id")
        self.mount_records = Table(self.kv("mounts"), MountRecord, "mount_id")
        # Called with (old name, new name), the new one None when an environment goes away.
        self.environment_listeners: list[Callable[[str, str | None], None]] = []
        # Called when an app was published, rolled back or stopped.
        self.app_listeners: list[Callable[[AppRecord], None]] = []
        self._work: set[asyncio.Future[None]] = set()
        self._ensure_default_environment()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Background work, until it is done or the local cloud stops."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def close(self) -> None:
        for task in self._work:
            task.cancel()

    def kv(self, name: str) -> Namespace:
        """JSON values of one room, apart from all others."""
        return self.store.kv(f"modal.{name}")

    def new_id(self, prefix: str) -> str:
        """Such as "fu-…": clients check the prefix (ap fu cs im mo st vo di qu fc in ta sv en bl)."""
        return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(22))}"

    def environment(self, name: str) -> EnvironmentRecord:
        """By name, "" for the default one. RpcError NOT_FOUND for one that does not exist."""
        wanted = name or DEFAULT_ENVIRONMENT
        for record in self.environments.values():
            if record.name == wanted:
                return record
        raise not_found(f"Environment '{wanted}' not found")

    def app(self, app_id: str) -> AppRecord:
        """RpcError NOT_FOUND for an unknown one."""
        record = self.apps.get(app_id)
        if record is None:
            raise not_found(f"App '{app_id}' not found")
        return record

    def function(self, function_id: str) -> FunctionRecord:
        """RpcError NOT_FOUND for an unknown one."""
        record = self.functions.get(function_id)
        if record is None:
            raise not_found(f"Function '{function_id}' not found")
        return record

    def deployed(self, name: str, environment: str) -> AppRecord | None:
        """The app that is deployed under that name now."""
        for record in self.apps.values():
            if record.name == name and record.environment == environment and record.running:
                return record
        return None

    def page_url(self, app_id: str) -> str:
        return f"{self.urls.page}/#{app_id}"

    def _ensure_default_environment(self) -> None:
        if any(record.name == DEFAULT_ENVIRONMENT for record in self.environments.values()):
            return
        self.environments.put(
            EnvironmentRecord(
                self.new_id("en"), DEFAULT_ENVIRONMENT, self.clock.now(), "", IMAGE_BUILDER_VERSION
            )
        )
