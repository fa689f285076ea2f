"""What an endpoint on RunPod is declared with and what it has: the source of its schema, defaults and diffs.

Names are those of RunPod's REST v2, except where a unit or an id was unclear (`timeoutMs`, `registryId`).
"""

from enum import Enum
from typing import Any

from infra.kit import Change, Model, prop


class EndpointType(Enum):
    QUEUE = "QUEUE"
    LOAD_BALANCER = "LOAD_BALANCER"


class ScalingType(Enum):
    QUEUE_DELAY = "QUEUE_DELAY"
    REQUEST_COUNT = "REQUEST_COUNT"


class Flashboot(Enum):
    OFF = "OFF"
    FLASHBOOT = "FLASHBOOT"
    PRIORITY_FLASHBOOT = "PRIORITY_FLASHBOOT"


class ComputeFamily(Enum):
    GPU = "GPU"
    CPU = "CPU"


class EndpointGpu(Model):
    """Which GPUs a worker may run on: every type of the pools but the excluded ones."""

    pools: list[str] = prop(desc="Serverless GPU pools, such as AMPERE_24. Any of them may serve a worker.")
    excluded_types: list[str] = prop([], desc="GPU type ids inside the pools that must not be used.")
    count: int = prop(1, desc="GPUs per worker.")
    allowed_cuda_versions: list[str] = prop([], desc="Acceptable CUDA versions (major.minor); empty = any.")
    min_cuda_version: str | None = prop(None, desc="Lowest acceptable CUDA version (major.minor).")


class EndpointCpu(Model):
    """One acceptable CPU configuration of a worker; its memory follows from the flavor."""

    id: str = prop(desc="CPU flavor, such as cpu5c.")
    vcpu_count: int = prop(2, desc="vCPUs, a power of two.")


class EndpointScaling(Model):
    """What makes RunPod add workers."""

    type: ScalingType = prop(ScalingType.QUEUE_DELAY, desc="By waiting time or by requests per worker.")
    queue_delay: float | None = prop(
        server_default=True,
        desc="QUEUE_DELAY: seconds that a request may wait, at least 0.5. Created with 4 when unset.",
    )
    request_count: int | None = prop(
        server_default=True, desc="REQUEST_COUNT: requests per worker, at least 1. Created with 4 when unset."
    )


class EndpointWorkers(Model):
    min: int = prop(0, desc="Workers that are always on.")
    max: int = prop(
        3, desc="The most workers. RunPod lowers it by itself when an endpoint has no requests for days."
    )
    idle_timeout: int | None = prop(
        server_default=True,
        desc="Seconds without a request before a worker is let go, 1 to 3600. Unset: RunPod's choice (10). "
        "Not with REQUEST_COUNT scaling.",
    )


class EndpointRequestUrls(Model):
    """Where to send requests. A load balancer has `base` and `health`, a queue all the others; `{job_id}` in status, stream,
    cancel and retry stands for a job's id.
    """

    base: str | None = prop(None, desc="Root of the workers' own HTTP and WebSocket paths.")
    run: str | None = prop(None, desc="Submit a job.")
    run_sync: str | None = prop(None, desc="Submit a job and wait for its result.")
    status: str | None = prop(None, desc="A job's state and result.")
    stream: str | None = prop(None, desc="A job's partial results.")
    cancel: str | None = prop(None, desc="Stop a job.")
    retry: str | None = prop(None, desc="Queue a failed job again.")
    purge_queue: str | None = prop(None, desc="Remove all waiting jobs.")
    health: str = prop(desc="Counts of workers and jobs; of a load balancer, the workers' own health path.")


class EndpointInputs(Model):
    name: str = prop(auto_name=True, desc="Name in RunPod's console.")
    type: EndpointType = prop(
        EndpointType.QUEUE,
        change=Change.REPLACE,
        desc="QUEUE: workers take jobs. LOAD_BALANCER: requests go straight to the workers' own HTTP server, whose port "
        "is in the variable PORT; it scales by REQUEST_COUNT only.",
    )
    image: str = prop(desc="Container image, best pinned by digest.")
    gpu: EndpointGpu | None = prop(None, desc="GPUs of a worker. Exactly one of gpu and cpu.")
    cpu: list[EndpointCpu] | None = prop(
        None, desc="Acceptable CPU configurations. Exactly one of gpu and cpu."
    )
    scaling: EndpointScaling = prop(
        EndpointScaling(), desc="What makes RunPod add workers. A load balancer's default is REQUEST_COUNT."
    )
    workers: EndpointWorkers = prop(EndpointWorkers(), desc="How many workers, and for how long they stay.")
    timeout_ms: int = prop(
        300_000, desc="The longest a request may run. Always sent: left out, RunPod would store 0."
    )
    env: dict[str, str] = prop({}, desc="Environment of a worker. Secret when a value is secret.")
    args: str = prop("", desc="Arguments of the container's entrypoint, in one string.")
    disk: int | None = prop(server_default=True, desc="Container disk in GB. Unset: RunPod's choice.")
    ports: list[str] = prop([], desc="Exposed ports, such as 8000/http.")
    registry_id: str | None = prop(None, desc="Id of the registry credential for a private image.")
    data_center_ids: list[str] = prop([], desc="Data centers that workers may run in; empty = any.")
    flashboot: Flashboot = prop(Flashboot.OFF, desc="RunPod's acceleration of cold starts.")
    network_volumes: list[str] = prop([], desc="Ids of network volumes, at most one per data center.")
    network_volume_data_centers: list[str] = prop(
        [],
        write_only=True,
        ignore=True,
        desc="Where each of networkVolumes is, in the same order. Never sent: with it, a placement that could miss its "
        "volume is refused in the preview, and dataCenterIds, when unset, are these.",
    )
    repair_scale_down: bool = prop(
        True,
        write_only=True,
        desc="RunPod lowers workers.max of an idle endpoint by itself. True: that is drift, and the next `up` after a "
        "refresh raises it again. False: it stays lowered, and is no difference.",
    )
    wait_for_rollout: bool = prop(
        True, write_only=True, ignore=True, desc="Wait until the workers run what was declared."
    )
    intent: dict[str, Any] | None = prop(
        None,
        write_only=True,
        ignore=True,
        desc="What the endpoint is for, read by policies; never sent to RunPod.",
    )
    compute_family: ComputeFamily | None = prop(
        computed=True,
        change=Change.REPLACE,
        desc="GPU or CPU. RunPod cannot change it, so a switch replaces.",
    )


class EndpointState(EndpointInputs):
    url: str = prop(
        desc="Where to send a job and wait for its result (`requestUrls.runSync`); of a load balancer its root."
    )
    request_urls: EndpointRequestUrls = prop(desc="Where to send jobs or requests.")
    created_at: str = prop(desc="When RunPod created the endpoint (ISO 8601).")
    version: int | None = prop(None, desc="The endpoint's version when its rollout was last waited for.")
    scaled_down_to: int | None = prop(
        None, desc="What RunPod has lowered workers.max to because the endpoint was idle, when last read."
    )
