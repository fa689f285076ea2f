"""An endpoint's inputs as RunPod's JSON and back. Pure: no I/O."""

from typing import Any

from infra.catalog.model import squeeze
from infra.runpod.endpoint_model import (
    ComputeFamily,
    EndpointCpu,
    EndpointGpu,
    EndpointInputs,
    EndpointRequestUrls,
    EndpointScaling,
    EndpointState,
    EndpointWorkers,
    Flashboot,
    ScalingType,
)
from infra.spec.errors import PilotlightError

Raw = dict[str, Any]

MARK_KEY = "PILOTLIGHT_MARK"
"""The environment variable that carries our mark: RunPod's endpoints have no tags."""

DEFAULT_QUEUE_DELAY_S = 4
DEFAULT_REQUEST_COUNT = 4

_URLS = {
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


def patch_body(current: Raw, inputs: EndpointInputs, mark: str) -> Raw:
    """What must be sent so that `current` becomes what is declared; empty when it already is.

    The mark alone is no reason to send an environment: that would restart the workers of an imported endpoint.
    """
    patch: Raw = {}
    for field, wanted in _desired(inputs, mark, current).items():
        have = _normal(field, current.get(field))
        if field == "env":
            same = _without_mark(wanted) == _without_mark(have or {})
        else:
            same = _covers(have, _normal(field, wanted))
        if not same:
            patch[field] = wanted
    return patch


def moves_workers(patch: Raw) -> bool:
    return not _ROLLS.isdisjoint(patch)


def state(raw: Raw, hint: EndpointInputs | None, version: int | None = None) -> EndpointState:
    """RunPod's answer as our state; fields that we do not know are passed over.

    `hint` (old state or new inputs) gives what RunPod cannot return, and the order and spelling of lists in which
    order and spelling mean nothing.
    """
    if raw.get("type", "QUEUE") != "QUEUE":
        raise PilotlightError(
            f"RunPod endpoint {raw['id']} is of type {raw['type']}",
            wanted="QUEUE, the type that this version manages",
        )
    scaling, workers = raw["scaling"], raw["workers"]
    return EndpointState(
        name=raw["name"],
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
        workers=EndpointWorkers(
            min=workers["min"], max=workers["max"], idle_timeout=workers.get("idleTimeout")
        ),
        timeout_ms=raw["timeout"],
        env=_without_mark(raw.get("env") or {}),
        args=raw.get("args") or "",
        disk=raw.get("disk"),
        ports=_as_given(raw.get("ports"), hint.ports if hint else None),
        registry_id=raw.get("registry") or None,
        data_center_ids=_as_given(raw.get("dataCenterIds"), hint.data_center_ids if hint else None),
        flashboot=Flashboot(raw["flashboot"]),
        network_volumes=_as_given(raw.get("networkVolumes"), hint.network_volumes if hint else None),
        wait_for_rollout=hint.wait_for_rollout if hint else True,
        intent=hint.intent if hint else None,
        compute_family=ComputeFamily.GPU if raw.get("gpu") else ComputeFamily.CPU,
        url=raw["requestUrls"]["runSync"],
        request_urls=EndpointRequestUrls(
            **{field: raw["requestUrls"][wire] for field, wire in _URLS.items()}
        ),
        created_at=raw["createdAt"],
        version=version,
    )


def _gpu_state(gpu: Raw, hint: EndpointGpu | None) -> EndpointGpu:
    return EndpointGpu(
        pools=_as_given(gpu["pools"], hint.pools if hint else None),
        excluded_types=_as_given(gpu.get("excludedTypes"), hint.excluded_types if hint else None),
        count=gpu.get("count", 1),
        allowed_cuda_versions=_as_given(
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
    idle = _first(inputs.workers.idle_timeout, current.get("idleTimeout"))
    # RunPod refuses an idle timeout beside REQUEST_COUNT, even an unchanged one.
    if idle is not None and inputs.scaling.type is ScalingType.QUEUE_DELAY:
        workers["idleTimeout"] = idle
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
    if field in ("ports", "dataCenterIds", "networkVolumes"):
        return sorted(value or [])
    if field == "registry":
        return value or None
    if field == "args":
        return value or ""
    return value


def _covers(have: Any, wanted: Any) -> bool:
    """Whether `have` already says all that `wanted` says; in an object it may say more."""
    if isinstance(wanted, dict) and isinstance(have, dict):
        return all(have.get(key) == value for key, value in wanted.items())
    return bool(have == wanted)


def _as_given(found: list[str] | None, given: list[str] | None) -> list[str]:
    """`given` when it means the same set, so that order and spacing are never a difference."""
    found = found or []
    if given is not None and sorted(map(squeeze, found)) == sorted(map(squeeze, given)):
        return given
    return found


def _without_mark(env: Raw) -> Raw:
    return {key: value for key, value in env.items() if key != MARK_KEY}
