"""What a create and an update of a pod may contain, and the rules that no schema can say (REST v2, 2026-08)."""

from typing import Any

from infra.localcloud.runpod.rest.bodies import CPU
from infra.localcloud.runpod.rest.container import CONTAINER, CUDA
from infra.localcloud.runpod.rest.offers import MAX_GPUS, Offers
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.schema import Rule, array, boolean, choice, closed, integer, text
from infra.localcloud.runpod.rest.templates import PERSISTENT

ACTION = closed({"action": choice("start", "stop", "restart", "terminate")}, required=["action"])
MOUNTS = closed(
    {
        "persistent": PERSISTENT,
        "network": array(
            closed({"volumeId": text(), "path": text()}, required=["volumeId", "path"]), max_items=1
        ),
    }
)
_GPU = closed(
    {
        "id": text(),
        "count": integer(1),
        "allowedCudaVersions": array(text(pattern=CUDA)),
        "minCudaVersion": text(pattern=CUDA),
    },
    required=["id"],
)
_CREATE: dict[str, Rule] = CONTAINER | {
    "name": text(min_length=1),
    "cloud": choice("SECURE", "COMMUNITY"),
    "cpu": CPU,
    "dataCenterIds": array(text()),
    "globalNetworking": boolean(),
    "gpu": _GPU,
    "mounts": MOUNTS,
    "startJupyter": boolean(),
    "startSsh": boolean(),
    "templateId": text(min_length=1),
}
UPDATE = closed(
    CONTAINER
    | {
        "globalNetworking": boolean(),
        "locked": boolean(),
        "mounts": MOUNTS,
        "name": text(min_length=1),
        "templateId": text(),
    }
)


def create_rule(value: Any, path: str) -> list[str]:
    has_template = isinstance(value, dict) and "templateId" in value
    return closed(_CREATE, required=["name"] if has_template else ["name", "image"])(value, path)


def gpu_of(body: dict[str, Any], offers: Offers) -> dict[str, Any]:
    """The GPUs that a validated body asks for. Raises Problem 400."""
    gpu = body["gpu"]
    if gpu["id"] not in offers.gpus:
        raise bad_request(
            f"gpu.id: unknown GPU type '{gpu['id']}'; GET /v2/catalog/gpus lists the valid ones"
        )
    if gpu.get("allowedCudaVersions") and gpu.get("minCudaVersion"):
        raise bad_request("gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive")
    count = int(gpu.get("count", 1))
    if count > MAX_GPUS:
        raise bad_request(f"gpu.count: {count} is more than the {MAX_GPUS} that one machine has")
    return {"id": gpu["id"], "count": count}


def new_mounts(body: dict[str, Any]) -> dict[str, Any]:
    """The mounts of a create, none where it asks for none. Raises Problem 400."""
    mounts = body.get("mounts", {})
    _check_one_kind(mounts)
    if "persistent" in mounts:
        if "cpu" in body:
            raise bad_request("mounts.persistent is not supported on CPU pods")
        return {"persistent": _persistent(mounts["persistent"])}
    if mounts.get("network"):
        _check_path(mounts["network"][0]["path"])
        return {"network": mounts["network"]}
    return {}


def changed_mounts(old: dict[str, Any], mounts: dict[str, Any]) -> dict[str, Any]:
    """The mounts after a patch: paths may change, and a host disk may grow. Raises Problem 400."""
    _check_one_kind(mounts)
    if mounts.get("network") == []:
        raise bad_request("mounts.network: clearing mounts is not supported")
    for kind in mounts:
        if kind not in old:
            raise bad_request(f"mounts.{kind}: the kind of a pod's mount is fixed when it is created")
    if "persistent" in mounts:
        new = _persistent(mounts["persistent"])
        if new["size"] < old["persistent"]["size"]:
            raise bad_request("mounts.persistent.size cannot be reduced")
        return {"persistent": new}
    if "network" in mounts:
        if mounts["network"][0]["volumeId"] != old["network"][0]["volumeId"]:
            raise bad_request("mounts.network: the volumeId of a mount is immutable")
        _check_path(mounts["network"][0]["path"])
        return {"network": mounts["network"]}
    return old


def _check_one_kind(mounts: dict[str, Any]) -> None:
    if "persistent" in mounts and "network" in mounts:
        raise bad_request("mounts.persistent and mounts.network are mutually exclusive")


def _persistent(mount: dict[str, Any]) -> dict[str, Any]:
    _check_path(mount["path"])
    return {"size": int(mount["size"]), "path": mount["path"]}


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise bad_request(f"mounts: '{path}' is not an absolute path")
