"""What a pod on RunPod is declared with and what it has. Names are those of RunPod's REST v2 where those were clear."""

from enum import Enum
from typing import Any

from infra.kit import Change, Model, prop


class Cloud(Enum):
    SECURE = "SECURE"
    COMMUNITY = "COMMUNITY"


class DesiredState(Enum):
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    ONCE = "ONCE"


class Storage(Enum):
    NONE = "NONE"
    VOLUME = "VOLUME"
    NETWORK_VOLUME = "NETWORK_VOLUME"


class PodGpu(Model):
    id: str = prop(
        desc="GPU type id, such as NVIDIA GeForce RTX 4090. RunPod v2 takes one, without a fallback."
    )
    count: int = prop(1, desc="GPUs.")


class PodCpu(Model):
    id: str = prop(desc="CPU flavor, such as cpu5c.")
    vcpu_count: int = prop(2, desc="vCPUs, a power of two. Memory follows from the flavor.")


class PodVolume(Model):
    """Storage on the machine that the pod runs on; gone with that machine, and with the pod."""

    size_gb: int = prop(change=Change.REPLACE, desc="Size in GB, at least 10.")
    path: str = prop("/workspace", desc="Where it is mounted.")


class PodNetworkVolume(Model):
    """A network volume in the pod; it outlives the pod."""

    id: str = prop(change=Change.REPLACE, desc="Id of the network volume.")
    path: str = prop("/workspace", desc="Where it is mounted.")


class PodInputs(Model):
    name: str | None = prop(auto_name=True, desc="Name in RunPod's console.")
    image: str = prop(desc="Container image, best pinned by digest.")
    gpu: PodGpu | None = prop(None, change=Change.REPLACE, desc="GPUs. Exactly one of gpu and cpu.")
    cpu: PodCpu | None = prop(None, change=Change.REPLACE, desc="vCPUs. Exactly one of gpu and cpu.")
    desired_state: DesiredState = prop(
        DesiredState.RUNNING,
        desc="RUNNING: started again by `up` when it has stopped. STOPPED: kept without its machine. ONCE: runs until its "
        "container ends, and runs again only when its container changes.",
    )
    env: dict[str, str] = prop({}, desc="Environment. Secret when a value is secret.")
    args: str = prop("", desc="Arguments of the container's entrypoint, in one string.")
    disk: int | None = prop(server_default=True, desc="Container disk in GB. Unset: RunPod's choice.")
    ports: list[str] = prop([], desc="Exposed ports, such as 8000/http or 22/tcp.")
    registry_id: str | None = prop(None, desc="Id of the registry credential for a private image.")
    volume: PodVolume | None = prop(None, desc="Storage on its machine. Not for CPU pods.")
    network_volume: PodNetworkVolume | None = prop(None, desc="A network volume; the pod runs where that is.")
    network_volume_data_center: str | None = prop(
        None, write_only=True, ignore=True, desc="Where the network volume is; only for checks, never sent."
    )
    cloud: Cloud = prop(Cloud.SECURE, change=Change.REPLACE, desc="RunPod's own machines or the community's.")
    data_center_ids: list[str] = prop(
        [],
        write_only=True,
        change=Change.REPLACE,
        desc="Data centers that it may be made in; empty = any, or the network volume's.",
    )
    allowed_cuda_versions: list[str] = prop(
        [],
        write_only=True,
        change=Change.REPLACE,
        desc="Acceptable CUDA versions of its machine; empty = any.",
    )
    min_cuda_version: str | None = prop(
        None, write_only=True, change=Change.REPLACE, desc="Lowest acceptable CUDA version of its machine."
    )
    start_ssh: bool = prop(
        False, write_only=True, change=Change.REPLACE, desc="Give it the account's SSH keys at creation."
    )
    start_jupyter: bool = prop(
        False, write_only=True, change=Change.REPLACE, desc="Give it a password for JupyterLab at creation."
    )
    global_networking: bool = prop(False, desc="A private address that other data centers reach.")
    locked: bool = prop(False, desc="Whether RunPod refuses to stop or reset it.")
    wait_for_state: bool = prop(
        True, write_only=True, ignore=True, desc="Wait until it is in the desired state."
    )
    intent: dict[str, Any] | None = prop(
        None,
        write_only=True,
        ignore=True,
        desc="What the pod is for, read by policies; never sent to RunPod.",
    )
    storage: Storage | None = prop(
        computed=True,
        change=Change.REPLACE,
        desc="Kind of storage. RunPod cannot change it, so a switch replaces.",
    )


class PodState(PodInputs):
    status: str = prop(desc="PROVISIONING, STARTING, RUNNING, EXITED or ERROR, when last read.")
    data_center: str | None = prop(None, desc="Where it is.")
    cost_usd_per_hour: float = prop(0.0, desc="What it costs now; 0 while it is stopped.")
    addresses: dict[str, str] = prop({}, desc="Where each declared port answers while it runs, by port.")
    ssh: str | None = prop(None, desc="Command that opens a shell in it, where it was made with SSH.")
    created_at: str = prop(desc="When RunPod created it (ISO 8601).")
