"""An endpoint's inputs as RunPod's JSON and back. Pure: no I/O."""

from typing import Any

from infra.catalog.model import squeeze
from infra.runpod import idle, listed, marks
from infra.runpod.endpoint_model import (
    ComputeFamily,
    EndpointCpu,
    EndpointGpu,
    EndpointInputs,
    EndpointRequestUrls,
    EndpointScaling,
    EndpointState,
    EndpointType,
    EndpointWorkers,
    Flashboot,
    ScalingType,
)
from infra.runpod.listed import as_given
from infra.runpod.marks import MARK_KEY

Raw = dict[str, Any]

NAMES = {
    "name": "name",
    "type": "type",
    "image": "image",
    "gpu": "gpu",
    "cpu": "cpu",
    "scaling": "scaling",
    "workers": "workers",
    "timeout": "timeoutMs",
    "env": "env",
    "args": "args",
    "disk": "disk",
    "ports": "ports",
    "registry": "registryId",
    "dataCenterIds": "dataCenterIds",
    "flashboot": "flashboot",
    "networkVolumes": "networkVolumes",
}
"""RunPod's name of a property -> ours."""

WORDS = {
    "registry": "registryId",
    "network volume": "networkVolumes",
    "networkvolume": "networkVolumes",
    "idletimeout": "workers.idleTimeout",
    "excludedtypes": "gpu.excludedTypes",
    "cuda": "gpu.minCudaVersion",
    "pool": "gpu.pools",
    "flavor": "cpu",
    "vcpu": "cpu",
    "load balancing": "scaling.type",
    "load-balancing": "scaling.type",
    "worker": "workers",
    "data center": "dataCenterIds",
    "image": "image",
    "timeout": "timeoutMs",
}
"""A word in RunPod's prose -> the property that it is about, the narrowest first."""

DEFAULT_QUEUE_DELAY_S = 4
DEFAULT_REQUEST_COUNT = 4

_URLS = {
    "base": "base",
    "run": "run",
    "run_sync": "runSync",
    "status": "status",
    "stream": "stream",
    "cancel": "cancel",
    "retry": "retry",
    "purge_queue": "purgeQueue",
    "health": "health",
}

# A change of one of these replaces workers, so there is a rollout to wait for.
_ROLLS = frozenset(
    {"image", "args", "env", "disk", "ports", "registry", "gpu", "cpu", "networkVolumes", "workers"}
)


def create_body(inputs: EndpointInputs, mark: str) -> Raw:
    """The whole declaration, with nothing left to RunPod's defaults but what the user left open."""
    body = {"type": inputs.type.value, **_desired(inputs, mark, {})}
    if body["registry"] is None:
        del body["registry"]
    if "gpu" in body and not body["gpu"]["minCudaVersion"]:
        del body["gpu"]["minCudaVersion"]
    return body


def patch_body(current: Raw, inputs: EndpointInputs, mark: str, *, keep_max: int | None = None) -> Raw:
    """What must be sent so that `current` becomes what is declared; empty when it already is.

    The mark alone is no reason to send an environment: that would restart the workers of an imported endpoint.
    `keep_max`: what RunPod lowered workers.max to, where that is to stay.
    """
    wanted = _desired(inputs, mark, current)
    if keep_max is not None:
        wanted["workers"]["max"] = keep_max
    patch: Raw = {}
    for field, value in wanted.items():
        have = _normal(field, current.get(field))
        if field == "env":
            same = marks.without(value) == marks.without(have)
        else:
            same = listed.covers(have, _normal(field, value))
        if not same:
            patch[field] = value
    return patch


def moves_workers(patch: Raw) -> bool:
    return not _ROLLS.isdisjoint(patch)


def state(raw: Raw, hint: EndpointInputs | None, version: int | None = None) -> EndpointState:
    """RunPod's answer as our state; fields that we do not know are passed over.

    `hint` (old state or new inputs) gives what RunPod cannot return, and the order and spelling of lists in which
    order and spelling mean nothing.
    """
    scaling, workers, urls = raw["scaling"], raw["workers"], raw["requestUrls"]
    repair = getattr(hint, "repair_scale_down", True)
    lowered = idle.lowered(raw, hint.workers) if hint else None
    most = hint.workers.max if hint and lowered is not None and not repair else workers["max"]
    return EndpointState(
        name=raw["name"],
        type=EndpointType(raw.get("type") or "QUEUE"),
        image=raw.get("image") or "",
        gpu=_gpu_state(raw["gpu"], hint.gpu if hint else None) if raw.get("gpu") else None,
        cpu=[EndpointCpu(id=entry["id"], vcpu_count=entry["vcpuCount"]) for entry in raw["cpu"]]
        if raw.get("cpu")
        else None,
        scaling=EndpointScaling(
            type=ScalingType(scaling["type"]),
            queue_delay=scaling.get("queueDelay"),
            request_count=scaling.get("requestCount"),
        ),
        workers=EndpointWorkers(min=workers["min"], max=most, idle_timeout=workers.get("idleTimeout")),
        timeout_ms=raw["timeout"],
        env=marks.without(raw.get("env")),
        args=raw.get("args") or "",
        disk=raw.get("disk"),
        ports=as_given(raw.get("ports"), hint.ports if hint else None),
        registry_id=raw.get("registry") or None,
        data_center_ids=as_given(raw.get("dataCenterIds"), hint.data_center_ids if hint else None),
        flashboot=Flashboot(raw["flashboot"]),
        network_volumes=as_given(raw.get("networkVolumes"), hint.network_volumes if hint else None),
        network_volume_data_centers=getattr(hint, "network_volume_data_centers", None) or [],
        repair_scale_down=bool(repair),
        wait_for_rollout=hint.wait_for_rollout if hint else True,
        intent=hint.intent if hint else None,
        compute_family=ComputeFamily.GPU if raw.get("gpu") else ComputeFamily.CPU,
        url=urls.get("runSync") or urls["base"],
        request_urls=EndpointRequestUrls(
            **{field: urls[wire] for field, wire in _URLS.items() if wire in urls}
        ),
        created_at=raw["createdAt"],
        version=version,
        scaled_down_to=lowered,
    )


def _gpu_state(gpu: Raw, hint: EndpointGpu | None) -> EndpointGpu:
    return EndpointGpu(
        pools=as_given(gpu["pools"], hint.pools if hint else None),
        excluded_types=as_given(gpu.get("excludedTypes"), hint.excluded_types if hint else None),
        count=gpu.get("count", 1),
        allowed_cuda_versions=as_given(
            gpu.get("allowedCudaVersions"), hint.allowed_cuda_versions if hint else None
        ),
        min_cuda_version=gpu.get("minCudaVersion") or None,
    )


def _desired(inputs: EndpointInputs, mark: str, current: Raw) -> Raw:
    """The declaration in RunPod's names. What the user leaves open is as in `current`, or absent."""
    fields: Raw = {
        "name": inputs.name,
        "image": inputs.image,
        "scaling": _scaling(inputs, current.get("scaling") or {}),
        "workers": _workers(inputs, current.get("workers") or {}),
        "timeout": inputs.timeout_ms,
        "env": {**inputs.env, MARK_KEY: mark},
        "args": inputs.args,
        "ports": inputs.ports,
        "registry": inputs.registry_id,
        "dataCenterIds": inputs.data_center_ids,
        "flashboot": inputs.flashboot.value,
        "networkVolumes": inputs.network_volumes,
    }
    if inputs.disk is not None:
        fields["disk"] = inputs.disk
    if inputs.gpu is not None:
        # All of it, always: pools without exclusions would clear them, a CUDA floor does not clear a CUDA set.
        fields["gpu"] = {
            "pools": inputs.gpu.pools,
            "excludedTypes": inputs.gpu.excluded_types,
            "count": inputs.gpu.count,
            "allowedCudaVersions": inputs.gpu.allowed_cuda_versions,
            "minCudaVersion": inputs.gpu.min_cuda_version or "",
        }
    if inputs.cpu is not None:
        fields["cpu"] = [{"id": cpu.id, "vcpuCount": cpu.vcpu_count} for cpu in inputs.cpu]
    return fields


def _scaling(inputs: EndpointInputs, current: Raw) -> Raw:
    scaling = inputs.scaling
    if scaling.type is ScalingType.QUEUE_DELAY:
        delay = _first(scaling.queue_delay, current.get("queueDelay"), DEFAULT_QUEUE_DELAY_S)
        return {"type": "QUEUE_DELAY", "queueDelay": delay}
    count = _first(scaling.request_count, current.get("requestCount"), DEFAULT_REQUEST_COUNT)
    return {"type": "REQUEST_COUNT", "requestCount": count}


def _workers(inputs: EndpointInputs, current: Raw) -> Raw:
    workers = {"min": inputs.workers.min, "max": inputs.workers.max}
    timeout = _first(inputs.workers.idle_timeout, current.get("idleTimeout"))
    # RunPod refuses an idle timeout of a queue that scales by REQUEST_COUNT, even an unchanged one.
    if timeout is not None and not (
        inputs.type is EndpointType.QUEUE and inputs.scaling.type is ScalingType.REQUEST_COUNT
    ):
        workers["idleTimeout"] = timeout
    return workers


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _normal(field: str, value: Any) -> Any:
    """A form in which equal meanings are equal values."""
    if field == "gpu" and isinstance(value, dict):
        return {
            "pools": sorted(value.get("pools") or []),
            "excludedTypes": sorted(squeeze(name) for name in value.get("excludedTypes") or []),
            "count": value.get("count", 1),
            "allowedCudaVersions": sorted(value.get("allowedCudaVersions") or []),
            "minCudaVersion": value.get("minCudaVersion") or "",
        }
    if field == "cpu" and isinstance(value, list):
        return [{"id": entry["id"], "vcpuCount": entry["vcpuCount"]} for entry in value]
    return listed.normal(field, value)
