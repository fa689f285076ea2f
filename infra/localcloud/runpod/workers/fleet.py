"""RunPod's data plane on this machine: every endpoint's queue and workers, behind the `Fleet` seam."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from aiohttp import web

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.supervisor import Launcher, ProcessLauncher, sweep
from infra.localcloud.core.timers import Timers
from infra.localcloud.runpod.balancer import BalancedEndpoint, Proxy
from infra.localcloud.runpod.jobs.api import JobApi
from infra.localcloud.runpod.jobs.limits import RateLimits
from infra.localcloud.runpod.jobs.webhook import Webhooks
from infra.localcloud.runpod.model import (
    EndpointRecord,
    JobCounts,
    LogLine,
    Meter,
    Secrets,
    Usage,
    Volumes,
    WorkerView,
)
from infra.localcloud.runpod.workers import billing
from infra.localcloud.runpod.workers.crew import Crew
from infra.localcloud.runpod.workers.endpoint import Endpoint
from infra.localcloud.runpod.workers.env import make_private
from infra.localcloud.runpod.workers.flashboot import FlashBoot
from infra.localcloud.runpod.workers.idling import Idling, ScaleDown
from infra.localcloud.runpod.workers.journal import Journal, KeyValues
from infra.localcloud.runpod.workers.logs import prune
from infra.localcloud.runpod.workers.placement import Place, find
from infra.localcloud.runpod.workers.platform import Images, Platform, WorkerFaults
from infra.localcloud.runpod.workers.protocol import WorkerProtocol
from infra.localcloud.runpod.workers.worker import Worker

CLOSE_GRACE_S = 2.0
KEPT_LOGS = 100  # files from before a restart


class Settings(Protocol):
    @property
    def rate_limit(self) -> bool: ...

    @property
    def cold_start(self) -> Literal["instant", "real"]: ...

    @property
    def flashboot_hit_rate(self) -> float: ...

    @property
    def account_workers(self) -> int | None: ...

    def stock_of(self, data_center: str, *names: str | None) -> str: ...


class NoSecrets:
    def secret(self, name: str) -> str | None:
        return None


class LocalFleet:
    """Implements `Fleet`. `base_url` is this daemon's origin as workers reach it, `state_dir` is for workers' homes
    and logs, `volume_place` says in which data center a network volume is, `scale_down(endpoint, most)` lowers an idle
    endpoint's workers in the control plane, `worker_env` is what every worker is offered (object store credentials, PILOTLIGHT_CACHE), `real_boot` the
    seconds that acquiring a machine and its image take where `cold_start` is "real".

    Make it inside a running event loop, one per `state_dir`: what an earlier one left running there is killed.
    """

    def __init__(
        self,
        clock: Clock,
        images: Images,
        meter: Meter,
        store: KeyValues,
        base_url: str,
        settings: Settings,
        state_dir: Path,
        api_key: str,
        *,
        faults: Faults | None = None,
        worker_env: Mapping[str, str] | None = None,
        launcher: Launcher | None = None,
        secrets: Secrets | None = None,
        volumes: Volumes | None = None,
        volume_place: Callable[[str], str | None] = lambda volume_id: None,
        scale_down: ScaleDown | None = None,
        real_boot: Callable[[EndpointRecord], float] | None = None,
    ) -> None:
        self._clock = clock
        self._timers = Timers(clock)
        self._journal = Journal(store, self._timers)
        self._webhooks = Webhooks(clock)
        self._launcher = launcher or ProcessLauncher(clock)
        self._settings, self._real_boot, self._volume_place = settings, real_boot, volume_place
        self._random = random.Random()
        self._flashboot = (
            FlashBoot(self._launcher, state_dir / "workers", clock)
            if isinstance(self._launcher, ProcessLauncher)
            else None
        )
        kept = store.kv("runpod.last_requests")
        self._idling = Idling(clock, self._timers, kept, scale_down or self._lower)
        self._endpoints: dict[str, Endpoint] = {}
        self._balanced: dict[str, BalancedEndpoint] = {}
        self._platform = Platform(
            clock=clock,
            timers=self._timers,
            images=images,
            meter=meter,
            journal=self._journal,
            kept=store.kv,
            faults=WorkerFaults(faults),
            launcher=self._launcher,
            state_dir=state_dir,
            base_url=base_url.rstrip("/"),
            worker_env={"PILOTLIGHT_CACHE": str(state_dir / "host-cache"), **(worker_env or {})},
            place=self._place,
            secrets=secrets or NoSecrets(),
            volumes=volumes,
            flashboot=self._flashboot,
            flash_hit=lambda record: (
                record.flashboot != "OFF" and self._random.random() < settings.flashboot_hit_rate
            ),
            requested=self._idling.requested,
            notify=self._webhooks.notify,
            boot_delay=self._boot_delay,
        )
        self._api = JobApi(
            self._endpoints, self._balanced, api_key, RateLimits(clock, lambda: settings.rate_limit)
        )
        self._proxy = Proxy(self._balanced, api_key, self._timers)
        homes, self._logs = state_dir / "workers", state_dir / "logs"
        sweep(homes)
        shutil.rmtree(homes, ignore_errors=True)
        prune(self._logs, KEPT_LOGS)
        for folder in (homes, self._logs):
            make_private(folder)

    def routes(self) -> list[web.RouteDef]:
        """The job API, the worker protocol and the load balancers, each with its own authorisation."""
        return [*self._api.routes(), *WorkerProtocol(self._endpoints).routes(), *self._proxy.routes()]

    async def apply(self, endpoint: EndpointRecord) -> None:
        known = self._known(endpoint.id)
        if known is None:
            known = self._make(endpoint)
            new_image = True
        else:
            new_image = endpoint.version != known.crew.record.version
        if new_image and self._flashboot is not None:
            self._flashboot.forget(endpoint.id)
        known.apply(endpoint)
        self._idling.watch(endpoint)
        if new_image:
            known.crew.check_image()

    async def remove(self, endpoint_id: str) -> None:
        endpoint = self._endpoints.pop(endpoint_id, None) or self._balanced.pop(endpoint_id, None)
        if endpoint is not None:
            self._idling.forget(endpoint_id)
            await endpoint.remove()
            if self._flashboot is not None:
                self._flashboot.forget(endpoint_id)
            await asyncio.to_thread(shutil.rmtree, self._logs / endpoint_id, ignore_errors=True)

    def workers(self, endpoint_id: str) -> list[WorkerView]:
        endpoint = self._known(endpoint_id)
        return endpoint.crew.views() if endpoint else []

    def jobs(self, endpoint_id: str) -> JobCounts:
        endpoint = self._known(endpoint_id)
        return endpoint.counts() if endpoint else JobCounts()

    async def logs(
        self, endpoint_id: str, worker_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        async for line in self._find(endpoint_id, worker_id).log.read(tail, after, follow):
            yield line

    def usage(self) -> list[Usage]:
        """What runs now and is not yet with the meter, as if it ended now."""
        now = self._clock.now()
        return [
            billing.usage(worker, now)
            for crew in self._crews()
            for worker in crew.workers.values()
            if worker.started_at is not None
        ]

    def settings_changed(self) -> None:
        """Faults were set or lifted."""
        for crew in self._crews():
            crew.unthrottle()

    async def close(self) -> None:
        await asyncio.gather(*(endpoint.close(CLOSE_GRACE_S) for endpoint in self._all()))
        await self._proxy.close()
        self._journal.flush()
        self._timers.close()
        if self._flashboot is not None:
            self._flashboot.close()
        self._launcher.close()
        await self._webhooks.close()

    def _find(self, endpoint_id: str, worker_id: str) -> Worker:
        """KeyError for a worker that never was, or is long gone."""
        endpoint = self._known(endpoint_id)
        if endpoint is None:
            raise KeyError(endpoint_id)
        crew = endpoint.crew
        for worker in (*crew.workers.values(), *crew.past):
            if worker.id == worker_id:
                return worker
        raise KeyError(worker_id)

    def _make(self, record: EndpointRecord) -> Endpoint | BalancedEndpoint:
        if record.type == "LOAD_BALANCER":
            balanced = self._balanced[record.id] = BalancedEndpoint(record, self._platform)
            return balanced
        queue = self._endpoints[record.id] = Endpoint(record, self._platform)
        return queue

    def _known(self, endpoint_id: str) -> Endpoint | BalancedEndpoint | None:
        return self._endpoints.get(endpoint_id) or self._balanced.get(endpoint_id)

    def _crews(self) -> list[Crew]:
        return [endpoint.crew for endpoint in self._all()]

    def _all(self) -> list[Endpoint | BalancedEndpoint]:
        return [*self._endpoints.values(), *self._balanced.values()]

    def _place(self, record: EndpointRecord) -> Place | str:
        limit = self._settings.account_workers
        taken = sum(worker.has_machine for crew in self._crews() for worker in crew.workers.values())
        if limit is not None and taken >= limit:
            return f"the account has {taken} workers, and may have {limit}"
        return find(record, self._settings, self._volume_place)

    def _boot_delay(self, record: EndpointRecord, hit: bool) -> float:
        if self._real_boot is None or self._settings.cold_start != "real":
            return 0.0
        return self._real_boot(record if hit else replace(record, flashboot="OFF"))

    async def _lower(self, endpoint_id: str, most: int) -> None:
        """Where no control plane keeps the endpoints."""
        endpoint = self._known(endpoint_id)
        if endpoint is not None:
            record = endpoint.crew.record
            fewest = min(record.workers_min, most)
            await self.apply(replace(record, workers_min=fewest, workers_max=most))
