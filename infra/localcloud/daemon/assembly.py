"""Puts the local cloud together: which service gets what. The one place that knows all of them."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web

from infra.localcloud.core.clock import Clock, RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal.assembly import LocalModal
from infra.localcloud.modal.containers.metering import with_modal
from infra.localcloud.modal.images import Unpacked
from infra.localcloud.modal.world import Token, Urls
from infra.localcloud.runpod.model import PodRecord
from infra.localcloud.runpod.pods import LocalPods
from infra.localcloud.runpod.rest import offers
from infra.localcloud.runpod.rest.secretbook import SecretBook
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.stock import Stock
from infra.localcloud.runpod.volumes import VolumeDirectories
from infra.localcloud.runpod.volumes.s3 import Credentials, s3_site
from infra.localcloud.runpod.workers.fleet import LocalFleet
from infra.localcloud.runpod.workers.images import ImageStore, UnpackedImage, on_host
from infra.localcloud.runpod.workers.reference import ALIAS, parse
from infra.localcloud.storage.objectstore import REGION, ObjectStore, ObjectStoreConfig
from infra.localcloud.storage.registry import Registry, registry_app

from .coldstart import runpod_boot
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
    meter: SqlMeter
    registry: Registry
    objectstore: ObjectStore
    fleet: LocalFleet
    volumes: VolumeDirectories
    pods: LocalPods
    service: RestService
    modal: LocalModal
    started_at: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def region(self) -> str:
        return REGION

    async def close(self) -> None:
        """Stop what runs: workers first, while they can still reach us, then what they use."""
        self.service.close()
        await asyncio.gather(self.fleet.close(), self.pods.close(), self.modal.close())
        await self.objectstore.stop()


def assemble(paths: CloudPaths, keys: Keys, ports: dict[str, int], settings: Settings, store: Store) -> Cloud:
    """Call it in the running event loop. Nothing is started yet."""
    clock = RealClock()
    faults = Faults(clock, settings.faults)
    meter = SqlMeter(store, clock, with_modal(offers.load().usd_per_second))
    registry = Registry(paths.registry, keys.registry_password)
    hosts = (ALIAS, f"127.0.0.1:{ports['registry']}", f"localhost:{ports['registry']}")
    url = f"http://127.0.0.1:{ports['api']}"
    unpacked = ImageStore(registry, paths.cloud / "images", hosts)
    boot = runpod_boot(random.Random())
    volumes, secrets = VolumeDirectories(paths.volumes), SecretBook(store, clock)
    fleet = LocalFleet(
        clock,
        unpacked,
        meter,
        store,
        url,
        settings,
        paths.cloud,
        keys.api_key,
        faults=faults,
        worker_env=_worker_environment(keys, ports),
        secrets=secrets,
        volumes=volumes,
        volume_place=lambda volume_id: _data_center(service, volume_id),
        scale_down=lambda endpoint_id, most: _scale_down(service, endpoint_id, most),
        real_boot=boot,
    )
    pods = LocalPods(
        clock,
        unpacked,
        volumes,
        secrets,
        store.kv("runpod.pod_ends"),
        url,
        paths.cloud,
        keys.api_key,
        faults=faults,
        worker_env=_worker_environment(keys, ports),
        stock=_pod_stock(Stock(settings, offers.load())),
        delay=lambda record: boot(record) if settings.cold_start == "real" else 0.0,
    )
    images = LocalImages(registry, hosts)
    service = RestService(
        store,
        fleet,
        clock,
        settings,
        keys.api_key,
        url,
        images,
        meter=meter,
        faults=faults,
        volumes=volumes,
        pods=pods,
    )
    pods.on_end = service.pods.ended
    settings.on_change(fleet.settings_changed)
    modal = LocalModal(
        store,
        clock,
        settings,
        faults,
        meter,
        paths.modal,
        Urls(f"http://127.0.0.1:{ports['modal']}", f"http://127.0.0.1:{ports['modal_web']}", url),
        Token(keys.modal_token_id, keys.modal_token_secret),
        tools=read_json(paths.toolchain) or {},
        registry=RegistryImages(unpacked, hosts),
        offered_env={
            **_worker_environment(keys, ports),
            "PILOTLIGHT_CACHE": str(paths.cloud / "host-cache"),
        },
    )
    # The fleets' own accounts go by the same keys as the rows that they write, so no run is counted twice.
    meter.watch(lambda: [*fleet.usage(), *modal.fleet.usage()])
    objectstore = ObjectStore(_objectstore(paths, keys, ports["s3"]), clock)
    return Cloud(
        paths,
        keys,
        ports,
        clock,
        settings,
        faults,
        store,
        meter,
        registry,
        objectstore,
        fleet,
        volumes,
        pods,
        service,
        modal,
        clock.now(),
    )


class LocalImages:
    """Implements `ImageResolver`."""

    def __init__(self, registry: Registry, hosts: Collection[str]) -> None:
        self._registry = registry
        self._hosts = hosts

    async def exists(self, image: str) -> bool:
        reference = parse(image)
        if reference is None or reference.host not in self._hosts:
            return True
        return self._registry.manifest(reference.repository, reference.digest or reference.tag) is not None


class RegistryImages:
    """Images of the local registry as bases of Modal images: what they bring for Python, and their environment."""

    def __init__(self, images: ImageStore, hosts: Collection[str]) -> None:
        self._images = images
        self._hosts = {ALIAS, *hosts}

    async def __call__(self, reference: str) -> Unpacked | None:
        parsed = parse(reference)
        if parsed is None or parsed.host not in self._hosts:
            return None
        return _for_modal(await self._images.resolve(reference))


def registry_site(cloud: Cloud) -> web.Application:
    middlewares = [loopback_only(cloud.ports["registry"]), cloud.faults.middleware("registry")]
    return registry_app(cloud.registry, middlewares)


def volumes_site(cloud: Cloud) -> web.Application:
    """The S3 API of network volumes."""

    keys = cloud.keys
    credentials = Credentials(keys.runpod_s3_access_key_id, keys.runpod_s3_secret_access_key)
    middlewares = [loopback_only(cloud.ports["runpod_s3"]), cloud.faults.middleware("runpod_s3")]
    return s3_site(cloud.volumes, partial(_data_center, cloud.service), credentials, cloud.clock, middlewares)


async def _scale_down(service: RestService, endpoint_id: str, most: int) -> None:
    """As somebody in RunPod's console would; REST v2 shows it, and so does `pulumi refresh`."""
    fewest = min(int(service.endpoint(endpoint_id)["workers"]["min"]), most)
    await service.update(endpoint_id, {"workers": {"min": fewest, "max": most}})


def _data_center(service: RestService, volume_id: str) -> str | None:
    """Where the network volume is."""
    volume = service.volumes.rows.find(volume_id)
    return str(volume["dataCenter"]) if volume else None


def _for_modal(image: UnpackedImage) -> Unpacked:
    env = dict(image.env)
    folders = [folder for folder in env.pop("PYTHONPATH", "").split(os.pathsep) if folder]
    return Unpacked(tuple(folders or [on_host(image.root, "/app")]), env)


def _pod_stock(stock: Stock) -> Callable[[PodRecord], str]:
    def why_none(record: PodRecord) -> str:
        wanted = record.gpu_type_id or next((str(cpu.get("id")) for cpu in record.cpu), "")
        if not wanted or stock.of(wanted, record.data_center_id) != "NONE":
            return ""
        return f"no {wanted} is free in {record.data_center_id} now"

    return why_none


def _worker_environment(keys: Keys, ports: dict[str, int]) -> dict[str, str]:
    """What a worker that names no object store of its own is offered."""
    return {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{ports['s3']}",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.s3_secret_access_key,
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
