"""Puts the local cloud together: which service gets what. The one place that knows all of them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from infra.localcloud.core.clock import Clock, RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.storage.objectstore import REGION, ObjectStore, ObjectStoreConfig
from infra.localcloud.storage.registry import Registry, registry_app

from .files import read_json
from .guard import loopback_only
from .keys import Keys
from .paths import CloudPaths
from .process import die_with_parent


@dataclass
class Cloud:
    """The running parts. `ports` are those of `ports.USES`."""

    paths: CloudPaths
    keys: Keys
    ports: dict[str, int]
    clock: Clock
    settings: Settings
    faults: Faults
    store: Store
    registry: Registry
    objectstore: ObjectStore
    started_at: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def region(self) -> str:
        return REGION

    async def close(self) -> None:
        """Stop what runs: workers first, while they can still reach us, then what they use."""
        await self.objectstore.stop()
        self.store.close()


def assemble(paths: CloudPaths, keys: Keys, ports: dict[str, int], settings: Settings, store: Store) -> Cloud:
    clock = RealClock()
    faults = Faults(clock, settings.faults)
    settings.on_change(lambda: faults.replace(settings.faults))
    return Cloud(
        paths=paths,
        keys=keys,
        ports=ports,
        clock=clock,
        settings=settings,
        faults=faults,
        store=store,
        registry=Registry(paths.registry, keys.registry_password),
        objectstore=ObjectStore(_objectstore(paths, keys, ports["s3"]), clock),
        started_at=clock.now(),
    )


def registry_site(cloud: Cloud) -> web.Application:
    middlewares = [loopback_only(cloud.ports["registry"]), cloud.faults.middleware("registry")]
    return registry_app(cloud.registry, middlewares)


def worker_defaults(cloud: Cloud) -> dict[str, str]:
    """What a worker that names no object store of its own gets."""
    return {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{cloud.ports['s3']}",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": cloud.keys.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.keys.s3_secret_access_key,
        "PILOTLIGHT_CACHE": str(cloud.paths.cloud / "host-cache"),
    }


def _objectstore(paths: CloudPaths, keys: Keys, port: int) -> ObjectStoreConfig:
    return ObjectStoreConfig(
        binary=_versitygw(paths),
        data=paths.s3,
        home=paths.cloud,
        log=paths.cloud / "objectstore.log",
        port=port,
        access_key_id=keys.s3_access_key_id,
        secret_access_key=keys.s3_secret_access_key,
        preexec=die_with_parent(),
    )


def _versitygw(paths: CloudPaths) -> Path:
    """As set-up recorded it; else the newest of the user's cache; else on PATH."""
    tools = read_json(paths.toolchain) or {}
    cache = Path(os.environ.get("PILOTLIGHT_HOME") or Path.home() / ".cache" / "pilotlight")
    cached = sorted(
        cache.glob("versitygw-*/bin/versitygw"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    candidates = [Path(tools["versitygw"])] if tools.get("versitygw") else []
    candidates += [*cached, Path(shutil.which("versitygw") or "versitygw")]
    return next((path for path in candidates if path.is_file()), candidates[0])
