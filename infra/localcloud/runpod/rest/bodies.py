"""What a create and an update of an endpoint may contain: the rules of RunPod's REST v2 description (2026-08)."""

from typing import Any

from infra.localcloud.runpod.rest.container import CONTAINER, CUDA
from infra.localcloud.runpod.rest.reading import read
from infra.localcloud.runpod.rest.schema import Rule, array, choice, closed, integer, number, text

FLASHBOOT = ("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT")


def read_create(body: bytes) -> dict[str, Any]:
    """A body that fits `CreateEndpointRequest`. Raises Problem 400 (not JSON) or 422 (does not fit)."""
    return read(body, _check_create)


def read_update(body: bytes) -> dict[str, Any]:
    """A body that fits `UpdateEndpointRequest`, which has no `type`."""
    return read(body, closed(_COMMON | {"gpu": _GPU_UPDATE, "templateId": text()}))


def _check_create(value: Any, path: str) -> list[str]:
    required = ["name", "type", "scaling"]
    if isinstance(value, dict) and "templateId" not in value:
        required.append("image")
    failures = closed(_CREATE, required=required)(value, path)
    if not failures and value["type"] == "LOAD_BALANCER":
        return choice("REQUEST_COUNT")(value["scaling"]["type"], f"{path}.scaling.type")
    return failures


def _scaling(value: Any, path: str) -> list[str]:
    """A union told apart by `type`; only the branch that was meant is explained."""
    rule: Rule = closed(
        {"type": choice("QUEUE_DELAY", "REQUEST_COUNT"), "queueDelay": number(), "requestCount": number()},
        required=["type"],
    )
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "QUEUE_DELAY":
        rule = closed({"type": text(), "queueDelay": number(0.5)}, required=["type", "queueDelay"])
    elif kind == "REQUEST_COUNT":
        rule = closed({"type": text(), "requestCount": integer(1)}, required=["type", "requestCount"])
    return rule(value, path)


_GPU: dict[str, Rule] = {
    "pools": array(text(), min_items=1),
    "excludedTypes": array(text(pattern=r"^\s*[^-\s]"), unique=True),
    "count": integer(1),
    "allowedCudaVersions": array(text(pattern=CUDA)),
}
_GPU_CREATE = closed(_GPU | {"minCudaVersion": text(pattern=CUDA)}, required=["pools"])
_GPU_UPDATE = closed(
    _GPU | {"minCudaVersion": text(pattern=rf"^$|{CUDA}")}, together={"excludedTypes": "pools"}
)
CPU = closed({"id": text(min_length=1), "vcpuCount": integer(2)}, required=["id", "vcpuCount"])

_COMMON: dict[str, Rule] = CONTAINER | {
    "name": text(min_length=1),
    "cpu": array(CPU, min_items=1, unique=True),
    "scaling": _scaling,
    "workers": closed({"min": integer(0), "max": integer(0), "idleTimeout": integer(1, 3600)}),
    "timeout": integer(),
    "flashboot": choice(*FLASHBOOT),
    "dataCenterIds": array(text()),
    "networkVolumes": array(text()),
}
_CREATE: dict[str, Rule] = _COMMON | {
    "type": choice("QUEUE", "LOAD_BALANCER"),
    "gpu": _GPU_CREATE,
    "templateId": text(min_length=1),
}
