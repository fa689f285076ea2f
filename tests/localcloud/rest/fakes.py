"""A cloud around the control plane: a fleet that only remembers, images that are all there, a client with the key."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import (
    EndpointRecord,
    JobCounts,
    LogLine,
    PodRecord,
    PodStatus,
    PodView,
    WorkerStatus,
    WorkerView,
)
from infra.localcloud.runpod.rest import RestService

KEY = "local-key"
QUEUE = {
    "name": "search",
    "type": "QUEUE",
    "image": "registry.pilotlight.internal/search@sha256:1",
    "gpu": {"pools": ["AMPERE_24"]},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
}
BALANCER = QUEUE | {"type": "LOAD_BALANCER", "scaling": {"type": "REQUEST_COUNT", "requestCount": 4}}
CPU = {name: value for name, value in QUEUE.items() if name != "gpu"} | {
    "cpu": [{"id": "cpu5c", "vcpuCount": 4}]
}


class WatchedClock(ManualClock):
    """`asleep` is set once somebody waits on this clock."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


class FakeFleet:
    """Keeps what it was given. `fail` makes the next apply raise it; `hold` makes applies wait for an event."""

    def __init__(self) -> None:
        self.applied: list[EndpointRecord] = []
        self.removed: list[str] = []
        self.history: list[str] = []
        self.staff: dict[str, list[WorkerView]] = {}
        self.lines: dict[str, list[LogLine]] = {}
        self.log_calls: list[dict[str, Any]] = []
        self.more = asyncio.Condition()
        self.fail: Exception | None = None
        self.hold: asyncio.Event | None = None

    async def apply(self, endpoint: EndpointRecord) -> None:
        if self.hold:
            await self.hold.wait()
        if self.fail:
            failure, self.fail = self.fail, None
            raise failure
        self.applied.append(endpoint)
        self.history.append("applied")

    async def remove(self, endpoint_id: str) -> None:
        self.removed.append(endpoint_id)
        self.history.append("removed")
        self.staff.pop(endpoint_id, None)

    def workers(self, endpoint_id: str) -> list[WorkerView]:
        return self.staff.get(endpoint_id, [])

    def jobs(self, endpoint_id: str) -> JobCounts:
        return JobCounts()

    async def logs(
        self, endpoint_id: str, worker_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        self.log_calls.append({"tail": tail, "after": after, "follow": follow})
        lines = self.lines[worker_id]
        past = [line for line in lines if after is None or (line.ts, line.seq) > after]
        for line in past[len(past) - min(tail, len(past)) :]:
            yield line
        seen = len(lines)
        while any(worker.id == worker_id for worker in self.workers(endpoint_id)):
            async with self.more:
                await self.more.wait()
            for line in lines[seen:]:
                yield line
            seen = len(lines)

    async def say(self, worker_id: str, *lines: LogLine) -> None:
        self.lines.setdefault(worker_id, []).extend(lines)
        async with self.more:
            self.more.notify_all()

    async def close(self) -> None:
        pass


class FakePods:
    """Pods that run as soon as they are wanted. `ends` makes one end by itself."""

    def __init__(self) -> None:
        self.records: dict[str, PodRecord] = {}
        self.views: dict[str, PodView] = {}
        self.history: list[str] = []
        self.lines: list[LogLine] = []
        self.fail: Exception | None = None
        self.hold: asyncio.Event | None = None

    async def apply(self, pod: PodRecord) -> None:
        if self.hold:
            await self.hold.wait()
        if self.fail:
            raise self.fail
        self.records[pod.id] = pod
        self.history.append("run" if pod.running else "stop")
        ports = {port: 40000 + index for index, port in enumerate(pod.ports)} if pod.running else {}
        status = PodStatus.RUNNING if pod.running else PodStatus.EXITED
        self.views[pod.id] = PodView(status, 1_800_000_000.0 if pod.running else None, ports=ports)

    async def restart(self, pod_id: str) -> None:
        await self.apply(self.records[pod_id])
        self.history[-1] = "restart"

    async def remove(self, pod_id: str) -> None:
        self.records.pop(pod_id, None)
        self.views.pop(pod_id, None)
        self.history.append("remove")

    def view(self, pod_id: str) -> PodView:
        return self.views[pod_id]

    def ends(self, pod_id: str, status: PodStatus = PodStatus.EXITED) -> None:
        self.views[pod_id] = PodView(status, 1_800_000_000.0, 0)

    async def logs(
        self, pod_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        for line in self.lines[-tail:] if tail else []:
            if after is None or (line.ts, line.seq) > after:
                yield line

    async def close(self) -> None:
        pass


class FakeVolumes:
    def __init__(self) -> None:
        self.there: set[str] = set()

    def create(self, volume_id: str) -> None:
        self.there.add(volume_id)

    def path(self, volume_id: str) -> Path:
        if volume_id not in self.there:
            raise KeyError(volume_id)
        return Path("/volumes") / volume_id

    def remove(self, volume_id: str) -> None:
        self.there.remove(volume_id)


class FakeImages:
    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.hold: asyncio.Event | None = None

    async def exists(self, image: str) -> bool:
        if self.hold:
            await self.hold.wait()
        return image not in self.missing


@dataclass
class Cloud:
    """The service, its surroundings and a client that has the key."""

    clock: WatchedClock
    settings: Settings
    store: Store
    fleet: FakeFleet
    images: FakeImages
    disks: FakeVolumes
    pods: FakePods
    service: RestService
    client: TestClient[web.Request, web.Application]
    headers: CIMultiDictProxy[str] | None = None

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = KEY, **options: Any
    ) -> tuple[int, Any]:
        """(status, JSON body or None). A `bytes` body goes as it is."""
        headers = options.pop("headers", {})
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        async with self.client.request(method, path, data=data, headers=headers, **options) as response:
            text = await response.text()
            self.headers = response.headers
            return response.status, json.loads(text) if text else None

    async def make(self, **changes: Any) -> dict[str, Any]:
        status, endpoint = await self.call("POST", "/v2/serverless", QUEUE | changes)
        assert status == 201, endpoint
        return dict(endpoint)

    def staff(self, endpoint_id: str, *workers: WorkerView) -> None:
        self.fleet.staff[endpoint_id] = list(workers)


def worker(id: str, status: WorkerStatus = WorkerStatus.IDLE, **changes: Any) -> WorkerView:
    values: dict[str, Any] = {
        "version": 1,
        "image": "image",
        "started_at": 1_800_000_000.0,
        "uptime_s": 12.7,
        "gpu_type_id": "NVIDIA L4",
        "gpu_count": 1,
        "data_center_id": "EU-RO-1",
    }
    return WorkerView(id=id, status=status, **(values | changes))
