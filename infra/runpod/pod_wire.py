"""A pod's inputs as RunPod's JSON and back. Pure: no I/O."""

from typing import Any

from infra.runpod import marks
from infra.runpod.listed import as_given, patch_of
from infra.runpod.pod_model import (
    Cloud,
    DesiredState,
    PodCpu,
    PodGpu,
    PodInputs,
    PodNetworkVolume,
    PodState,
    PodVolume,
    Storage,
)

Raw = dict[str, Any]

NAMES = {
    "name": "name",
    "image": "image",
    "args": "args",
    "disk": "disk",
    "env": "env",
    "ports": "ports",
    "registry": "registryId",
    "gpu": "gpu",
    "cpu": "cpu",
    "cloud": "cloud",
    "dataCenterIds": "dataCenterIds",
    "mounts.network": "networkVolume.id",
    "mounts.persistent": "volume",
    "mounts": "volume",
    "globalNetworking": "globalNetworking",
    "locked": "locked",
}
WORDS = {
    "registry": "registryId",
    "network volume": "networkVolume.id",
    "volumeid": "networkVolume.id",
    "cuda": "minCudaVersion",
    "gpu": "gpu.id",
    "flavor": "cpu.id",
    "vcpu": "cpu.vcpuCount",
    "instances available": "gpu.id",
    "data center": "dataCenterIds",
    "locked": "locked",
    "image": "image",
}
NO_STOCK = "instances available"
"""What RunPod says of a machine that is sold out."""

_ALIVE = ("PROVISIONING", "STARTING", "RUNNING")


def create_body(inputs: PodInputs, mark: str) -> Raw:
    body: Raw = {**_container(inputs, mark), "cloud": inputs.cloud.value}
    if body["registry"] is None:
        del body["registry"]
    if inputs.gpu is not None:
        body["gpu"] = {"id": inputs.gpu.id, "count": inputs.gpu.count}
        if inputs.allowed_cuda_versions:
            body["gpu"]["allowedCudaVersions"] = inputs.allowed_cuda_versions
        if inputs.min_cuda_version:
            body["gpu"]["minCudaVersion"] = inputs.min_cuda_version
    if inputs.cpu is not None:
        body["cpu"] = {"id": inputs.cpu.id, "vcpuCount": inputs.cpu.vcpu_count}
    if inputs.data_center_ids:
        body["dataCenterIds"] = inputs.data_center_ids
    elif inputs.network_volume is not None and inputs.network_volume_data_center:
        body["dataCenterIds"] = [inputs.network_volume_data_center]
    for field, wanted in (
        ("startSsh", inputs.start_ssh),
        ("startJupyter", inputs.start_jupyter),
        ("globalNetworking", inputs.global_networking),
    ):
        if wanted:
            body[field] = True
    return body


def patch_body(current: Raw, inputs: PodInputs, mark: str) -> Raw:
    """What must be sent so that `current` becomes what is declared, the lock aside; empty when it already is."""
    patch = patch_of(current, _container(inputs, mark))
    networking = bool((current.get("globalNetworking") or {}).get("enabled"))
    if networking != inputs.global_networking:
        patch["globalNetworking"] = inputs.global_networking
    return patch


def restarts(patch: Raw) -> bool:
    """Whether a patch gives the pod another container."""
    return bool(patch.keys() - {"name", "globalNetworking", "locked"})


def is_alive(raw: Raw) -> bool:
    return raw["status"] in _ALIVE


def desired_of(raw: Raw, hint: PodInputs | None) -> DesiredState:
    """As the declaration would have to be for what is there: that a pod has ended is no drift for one that runs once."""
    if getattr(hint, "desired_state", None) is DesiredState.ONCE:
        return DesiredState.ONCE
    return DesiredState.RUNNING if is_alive(raw) else DesiredState.STOPPED


def storage_of(inputs: PodInputs) -> Storage:
    if inputs.volume is not None:
        return Storage.VOLUME
    return Storage.NONE if inputs.network_volume is None else Storage.NETWORK_VOLUME


def state(raw: Raw, hint: PodInputs | None) -> PodState:
    """RunPod's answer as our state. `hint` (old state or new inputs) gives what RunPod does not return."""
    mounts = raw.get("mounts") or {}
    persistent, network = mounts.get("persistent"), (mounts.get("network") or [None])[0]
    gpu, cpu = raw.get("gpu"), raw.get("cpu")
    made = PodState(
        name=raw["name"],
        image=raw.get("image") or "",
        gpu=PodGpu(id=gpu["id"], count=gpu.get("count", 1)) if gpu else None,
        cpu=PodCpu(id=cpu["id"], vcpu_count=cpu["vcpuCount"]) if cpu else None,
        desired_state=desired_of(raw, hint),
        env=marks.without(raw.get("env")),
        args=raw.get("args") or "",
        disk=raw.get("disk"),
        ports=as_given(raw.get("ports"), getattr(hint, "ports", None)),
        registry_id=raw.get("registry") or None,
        volume=PodVolume(size_gb=persistent["size"], path=persistent["path"]) if persistent else None,
        network_volume=PodNetworkVolume(id=network["volumeId"], path=network["path"]) if network else None,
        cloud=Cloud(raw["cloud"]),
        global_networking=bool((raw.get("globalNetworking") or {}).get("enabled")),
        locked=bool(raw.get("locked")),
        status=raw["status"],
        data_center=raw.get("dataCenterId"),
        cost_usd_per_hour=raw.get("cost") or 0.0,
        addresses=_addresses(raw),
        ssh=_ssh(raw.get("ssh") or {}),
        created_at=raw["createdAt"],
    )
    made.storage = storage_of(made)
    if hint is None:
        return made
    return made.model_copy(
        update={
            field: getattr(hint, field, getattr(made, field))
            for field in (
                "network_volume_data_center",
                "data_center_ids",
                "allowed_cuda_versions",
                "min_cuda_version",
                "start_ssh",
                "start_jupyter",
                "wait_for_state",
                "intent",
            )
        }
    )


def _container(inputs: PodInputs, mark: str) -> Raw:
    fields: Raw = {
        "name": inputs.name,
        "image": inputs.image,
        "args": inputs.args,
        "env": {**inputs.env, marks.MARK_KEY: mark},
        "ports": inputs.ports,
        "registry": inputs.registry_id,
    }
    if inputs.disk is not None:
        fields["disk"] = inputs.disk
    if inputs.volume is not None:
        fields["mounts"] = {"persistent": {"size": inputs.volume.size_gb, "path": inputs.volume.path}}
    if inputs.network_volume is not None:
        mount = {"volumeId": inputs.network_volume.id, "path": inputs.network_volume.path}
        fields["mounts"] = {"network": [mount]}
    return fields


def _addresses(raw: Raw) -> dict[str, str]:
    """By declared port. A port with a public number is reached there, an http port without one through RunPod's proxy
    (docs.runpod.io, "Expose ports", 2026-08)."""
    found = {}
    for port in (raw.get("runtime") or {}).get("ports") or []:
        key = f"{port['private']}/{port['type']}"
        if port.get("ip") and port.get("public") and (port["type"] != "http" or _is_here(port["ip"])):
            scheme = "http://" if port["type"] == "http" else ""
            found[key] = f"{scheme}{port['ip']}:{port['public']}"
        elif port["type"] == "http":
            found[key] = f"https://{raw['id']}-{port['private']}.proxy.runpod.net"
    return found


def _is_here(ip: str) -> bool:
    return ip.startswith("127.")


def _ssh(ssh: Raw) -> str | None:
    way = ssh.get("direct") or ssh.get("proxy")
    return str(way["command"]) if way else None
