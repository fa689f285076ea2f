"""RunPod's control plane behind REST v2: endpoints and their releases, kept in the store and applied to the fleet."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import Fleet, Pods, Usage, Volumes, WorkerStatus
from infra.localcloud.runpod.rest import offers
from infra.localcloud.runpod.rest.clusters import Clusters
from infra.localcloud.runpod.rest.ledger import Ledger
from infra.localcloud.runpod.rest.merging import CONTAINER_FIELDS, changed_endpoint, new_endpoint
from infra.localcloud.runpod.rest.podbook import PodBook
from infra.localcloud.runpod.rest.problems import Problem, not_found
from infra.localcloud.runpod.rest.ratelimit import RateLimiter
from infra.localcloud.runpod.rest.registries import Registries
from infra.localcloud.runpod.rest.rows import Rows, new_id
from infra.localcloud.runpod.rest.secretbook import SecretBook
from infra.localcloud.runpod.rest.sshkeys import SshKeys
from infra.localcloud.runpod.rest.stock import Stock
from infra.localcloud.runpod.rest.templates import Templates
from infra.localcloud.runpod.rest.views import record
from infra.localcloud.runpod.rest.volumes import NetworkVolumes

_log = logging.getLogger(__name__)


class ImageResolver(Protocol):
    async def exists(self, image: str) -> bool:
        """False only for an image that names the local registry and is not there; one from elsewhere is accepted."""


class RestService:
    """The state behind the routes. Bodies come validated by `bodies`; refusals are raised as `Problem`.

    A meter that is given knows by itself what goes on (`SqlMeter.watch`). The service has new faults of the settings
    come into force in `faults`.
    """

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        clock: Clock,
        settings: Settings,
        api_key: str,
        base_url: str,
        images: ImageResolver,
        *,
        meter: SqlMeter | None = None,
        faults: Faults | None = None,
        volumes: Volumes | None = None,
        pods: Pods | None = None,
    ) -> None:
        self.store = store
        self.fleet = fleet
        self.clock = clock
        self.settings = settings
        self.api_key = api_key
        self.base_url = base_url.rstrip("/")
        self.offers = offers.load()
        self.meter = meter or self._own_meter()
        self.faults = faults or Faults(clock, settings.faults)
        self.limiter = RateLimiter(clock, settings)
        self.stock = Stock(settings, self.offers)
        self.ledger = Ledger(store, clock)
        self.registries = Registries(self)
        self.templates = Templates(self)
        self.volumes = NetworkVolumes(self, volumes)
        self.ssh_keys = SshKeys(store)
        self.secrets = SecretBook(store, clock)
        self.flash_apps = Rows(store, "flash_apps", "app")
        self.flash_environments = Rows(store, "flash_environments", "environment")
        self.pods = PodBook(self, pods)
        self.clusters = Clusters(self)
        self.closing = asyncio.Event()
        self._images = images
        # Changes of one endpoint wait for each other: a patch must not be lost to another, nor outlive a delete.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._set_faults = dict(settings.faults)
        settings.on_change(self._settings_changed)

    async def restore(self) -> None:
        """After a restart: hand every stored endpoint to the fleet. One that fails does not keep the others down."""
        self.volumes.restore()
        for endpoint in self.store.endpoints():
            try:
                await self.fleet.apply(record(endpoint))
            except Exception:
                _log.exception("endpoint %s could not be restored", endpoint["id"])
        await self.pods.restore()

    def close(self) -> None:
        """Ends the log streams, which would otherwise go on as long as their workers."""
        self.closing.set()

    def endpoint(self, endpoint_id: str) -> dict[str, Any]:
        endpoint = self.store.endpoint(endpoint_id)
        if endpoint is None:
            raise not_found("endpoint")
        return endpoint

    async def create(
        self,
        body: dict[str, Any],
        *,
        template: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """`template`: the one that GraphQL binds it to; `extra`: what only GraphQL shows."""
        body = self.templates.applied_to_endpoint(body)
        endpoint = new_endpoint(body, self.offers)
        self._check_references(endpoint, body, template)
        await self._check_image(endpoint["image"])
        # What it refers to may have gone while the image was looked for.
        self._check_references(endpoint, body, template)
        endpoint |= {"id": self._new_id(), "createdAt": self.clock.now(), "version": 1}
        endpoint |= (extra or {}) | ({"template": template} if template else {})
        async with self._locks[endpoint["id"]]:
            with self.store.transaction():
                self.store.save_endpoint(endpoint["id"], endpoint)
                self._add_release(endpoint, [])
            try:
                await self.fleet.apply(record(endpoint))
            except BaseException:
                self.store.delete_endpoint(endpoint["id"])
                await self.fleet.remove(endpoint["id"])
                raise
        return endpoint

    async def update(
        self,
        endpoint_id: str,
        body: dict[str, Any],
        *,
        template: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        async with self._lock(endpoint_id):
            old = self.endpoint(endpoint_id)
            body = self.templates.applied(body, serverless=True)
            new = changed_endpoint(old, body, self.offers)
            self._check_references(new, body, template)
            new |= (extra or {}) | ({"template": template} if template else {})
            if new == old:
                return old
            if new["image"] != old["image"]:
                await self._check_image(new["image"])
                self._check_references(new, body, template)
            diff = [
                {"field": field, "old": old[name], "new": new[name]}
                for name, field in CONTAINER_FIELDS.items()
                if new[name] != old[name]
            ]
            if diff:
                new["version"] = old["version"] + 1
            with self.store.transaction():
                self.store.save_endpoint(endpoint_id, new)
                if diff:
                    self._add_release(new, diff)
            await self.fleet.apply(record(new))
            return new

    async def delete(self, endpoint_id: str, *, with_template: bool = True) -> None:
        """REST v2 takes the template that it is bound to away with it, unless another one needs that; GraphQL does not."""
        async with self._lock(endpoint_id):
            bound = self.endpoint(endpoint_id).get("template")
            await self.fleet.remove(endpoint_id)
            self.store.delete_endpoint(endpoint_id)
            if bound and with_template and not self.templates.users(bound):
                self.templates.rows.remove(bound)
        self._locks.pop(endpoint_id, None)

    async def forget_registry(self, registry_id: str) -> None:
        """Endpoints silently lose it, without a release."""
        for endpoint in self.store.endpoints():
            if endpoint["registry"] != registry_id:
                continue
            async with self._locks[endpoint["id"]]:
                current = self.store.endpoint(endpoint["id"])
                if current is None or current["registry"] != registry_id:
                    continue
                new = current | {"registry": None}
                self.store.save_endpoint(new["id"], new)
                await self.fleet.apply(record(new))

    def _check_references(self, endpoint: dict[str, Any], body: dict[str, Any], template: str | None) -> None:
        self.registries.check(body)
        self.volumes.check_endpoint(endpoint)
        if template is not None:
            self.templates.rows.get(template)

    def _lock(self, endpoint_id: str) -> asyncio.Lock:
        self.endpoint(endpoint_id)
        return self._locks[endpoint_id]

    async def _check_image(self, image: str) -> None:
        if not await self._images.exists(image):
            raise Problem(422, f"image '{image}' does not exist or is not accessible; push it and try again")

    def _add_release(self, endpoint: dict[str, Any], diff: list[dict[str, Any]]) -> None:
        release = {
            "id": self._new_id(),
            "version": endpoint["version"],
            "createdAt": self.clock.now(),
            "diff": diff,
        }
        self.store.add_release(endpoint["id"], endpoint["version"], release)

    def _new_id(self) -> str:
        """14 characters, as RunPod's own: no collection of REST v2 has such a name, so `/v2/{id}` never collides."""
        return new_id(14, lambda id: self.store.endpoint(id) is not None)

    def _settings_changed(self) -> None:
        """New faults in the settings come into force; another setting leaves those in force, and their counts, alone."""
        if self.settings.faults != self._set_faults:
            self._set_faults = dict(self.settings.faults)
            self.faults.replace(self.settings.faults)

    def _own_meter(self) -> SqlMeter:
        meter = SqlMeter(self.store, self.clock, self.offers.usd_per_second)
        meter.watch(self._going_on)
        return meter

    def _going_on(self) -> Iterator[Usage]:
        """Workers that are up are billed up to now; those that start, wait for capacity or are broken are not."""
        now = self.clock.now()
        for endpoint in self.store.endpoints():
            vcpu = endpoint["cpu"][0]["vcpuCount"] if "cpu" in endpoint else 0
            for worker in self.fleet.workers(endpoint["id"]):
                if worker.status in (WorkerStatus.RUNNING, WorkerStatus.IDLE):
                    yield Usage(
                        endpoint["id"],
                        worker.id,
                        worker.gpu_type_id,
                        worker.gpu_count,
                        vcpu,
                        worker.started_at,
                        now,
                    )
