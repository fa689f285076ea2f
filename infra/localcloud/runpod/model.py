"""The records that RunPod's control plane (REST) and data plane (jobs, workers) share, and the seam between them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol


class ScalerType(Enum):
    QUEUE_DELAY = "QUEUE_DELAY"
    REQUEST_COUNT = "REQUEST_COUNT"


class WorkerStatus(Enum):
    RUNNING = "RUNNING"
    IDLE = "IDLE"
    INITIALIZING = "INITIALIZING"
    THROTTLED = "THROTTLED"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True)
class EndpointRecord:
    """One endpoint as the data plane needs it. `version` rises with every release (image, args, env, disk, ports).

    Jobs of a QUEUE endpoint go to `<base_url>/v2/<id>/run…`, requests of a LOAD_BALANCER endpoint to
    `<base_url>/lb/<id>/<any path>`: RunPod's host name per endpoint cannot stand on a loopback port."""

    id: str
    name: str
    type: str  # "QUEUE" | "LOAD_BALANCER"
    version: int
    image: str
    args: str
    env: dict[str, str]
    scaler: ScalerType
    scaler_value: float  # seconds of queue delay, or requests per worker
    workers_min: int
    workers_max: int
    idle_timeout_s: int
    timeout_ms: int  # 0 = platform default (600 000)
    flashboot: str
    gpu_pools: tuple[str, ...] = ()
    gpu_count: int = 0
    cpu: tuple[dict[str, Any], ...] = ()
    data_center_ids: tuple[str, ...] = ()
    excluded_types: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()  # "8000/http", "9000/tcp"
    network_volumes: tuple[str, ...] = ()  # ids; at most one for each data center
    registry: str | None = None


@dataclass(frozen=True)
class WorkerView:
    """One worker as `GET /v2/serverless/{id}/workers` shows it, with the reason when it is unhealthy."""

    id: str
    status: WorkerStatus
    version: int
    image: str
    started_at: float
    uptime_s: float
    gpu_type_id: str | None
    gpu_count: int
    data_center_id: str
    reason: str = ""


@dataclass(frozen=True)
class LogLine:
    ts: float
    seq: int
    source: str  # "container" | "system"
    line: str


@dataclass(frozen=True)
class JobCounts:
    completed: int = 0
    failed: int = 0
    in_progress: int = 0
    in_queue: int = 0
    retried: int = 0


@dataclass
class Usage:
    """What a worker is billed for: whole seconds from start to full stop, at the catalog's price."""

    endpoint_id: str
    worker_id: str
    gpu_type_id: str | None
    gpu_count: int
    vcpu: int
    started_at: float
    stopped_at: float
    data: dict[str, Any] = field(default_factory=dict)


class Meter(Protocol):
    """Takes the usage of workers; persists it (SQLite) and prices it for billing and the page."""

    def record(self, usage: Usage) -> None: ...


class Fleet(Protocol):
    """The data plane, as the control plane uses it."""

    async def apply(self, endpoint: EndpointRecord) -> None:
        """Create or change: scaling is taken up at once; a new `version` starts a rollout (idle old workers end at
        once, busy ones after their job)."""

    async def remove(self, endpoint_id: str) -> None:
        """Kill workers, cancel jobs, forget the endpoint."""

    def workers(self, endpoint_id: str) -> list[WorkerView]: ...

    def jobs(self, endpoint_id: str) -> JobCounts: ...

    def logs(
        self, endpoint_id: str, worker_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Past lines, then (with `follow`) new ones until the worker is gone. KeyError for an unknown worker."""

    async def close(self) -> None:
        """Stop every worker; nothing stays running."""


class PodStatus(Enum):
    PROVISIONING = "PROVISIONING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    EXITED = "EXITED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True)
class PodRecord:
    """One pod as what runs it needs it. `version` rises with every change that restarts its container."""

    id: str
    name: str
    version: int
    running: bool  # what the user wants: RUNNING or EXITED
    image: str
    args: str
    env: dict[str, str]
    disk_gib: int
    ports: tuple[str, ...] = ()
    gpu_type_id: str | None = None
    gpu_count: int = 0
    cpu: tuple[dict[str, Any], ...] = ()
    data_center_id: str = ""
    persistent: tuple[int, str] | None = None  # size in GiB, mount path
    network_volume: tuple[str, str] | None = None  # id, mount path
    registry: str | None = None


@dataclass(frozen=True)
class PodView:
    """One pod as it is. `ports` maps each declared port to the port of this machine that answers for it."""

    status: PodStatus
    started_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    ports: dict[str, int] = field(default_factory=dict)


class Pods(Protocol):
    """What runs pods, as the control plane uses it."""

    async def apply(self, pod: PodRecord) -> None:
        """Create or change: started, stopped or restarted so that it is as the record says. One whose container ended
        by itself (EXITED with an exit code, or ERROR) stays so, also over restarts of the daemon, until its version
        changes, or it was applied as not running in between, or by `restart`."""

    async def restart(self, pod_id: str) -> None:
        """A fresh container, whatever it does now: of a pod that runs, that ended, or that was stopped."""

    async def remove(self, pod_id: str) -> None:
        """Stop it and delete its disks; a network volume stays."""

    def view(self, pod_id: str) -> PodView:
        """KeyError for an unknown pod."""

    def logs(
        self, pod_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]: ...

    async def close(self) -> None: ...


class Volumes(Protocol):
    """The files of network volumes: directories that workers and pods mount and that the S3 API serves."""

    def create(self, volume_id: str) -> None: ...

    def path(self, volume_id: str) -> Path:
        """KeyError for a volume that is not there."""

    def remove(self, volume_id: str) -> None: ...


class Secrets(Protocol):
    """The account's secrets, for `{{ RUNPOD_SECRET_name }}` in an environment."""

    def secret(self, name: str) -> str | None: ...
