"""saveEndpoint, deleteEndpoint, updateEndpointTemplate.

saveEndpoint is an upsert that replaces everything: what an input leaves out goes back to its default (as observed with
runpodctl and runpod-mcp: idleTimeout 10, scalerValue 4, workersMax 3, no instanceIds).
"""

import re
from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.graphql.templates import (
    bound_template,
    save_template,
    template_of,
    template_view,
)
from infra.localcloud.runpod.graphql.volumes import volume_view
from infra.localcloud.runpod.graphql.wire import pairs, split
from infra.localcloud.runpod.rest.bodies import FLASHBOOT
from infra.localcloud.runpod.rest.container import CONTAINER
from infra.localcloud.runpod.rest.delegations import USER_ID
from infra.localcloud.runpod.rest.merging import idle_timeout_applies
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.times import timestamp

_TYPES = {"QB": "QUEUE", "LB": "LOAD_BALANCER"}
_CUDA = re.compile(r"[0-9]+\.[0-9]+")


def endpoint_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    async def save(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return endpoint_view(service, await save_endpoint(service, input))

    async def delete(info: Any, id: str) -> None:
        await service.delete(id, with_template=False)

    async def use_template(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        if input is None:
            raise bad_request("updateEndpointTemplate: input must be given")
        settings = _settings(service, input["templateId"])
        endpoint = await service.update(input["endpointId"], settings, template=input["templateId"])
        return endpoint_view(service, endpoint)

    return {"saveEndpoint": save, "deleteEndpoint": delete, "updateEndpointTemplate": use_template}


async def save_endpoint(service: RestService, input: dict[str, Any]) -> dict[str, Any]:
    if input.get("template") and input.get("templateId"):
        raise bad_request("saveEndpoint: template and templateId are mutually exclusive")
    old = service.endpoint(input["id"]) if input.get("id") else None
    body = _body(input, old)
    made = None
    if input.get("template"):
        given = {"volumeInGb": 0, "env": [], "dockerArgs": "", "containerDiskInGb": 20} | input["template"]
        made = await save_template(service, given | {"isServerless": True})
    template_id = made["id"] if made else input.get("templateId")
    try:
        if template_id:
            body |= _settings(service, template_id)
        extra = {"flashEnvironmentId": input.get("flashEnvironmentId")}
        if old is not None:
            return await service.update(old["id"], body, template=template_id, extra=extra)
        if not template_id:
            raise bad_request("saveEndpoint: templateId must be given")
        return await service.create(body, template=template_id, extra=extra)
    except BaseException:
        if made and not (input["template"].get("id")):
            service.templates.rows.remove(made["id"])
        raise


def endpoint_view(service: RestService, endpoint: dict[str, Any]) -> dict[str, Any]:
    gpu, scaling, workers = endpoint.get("gpu"), endpoint["scaling"], endpoint["workers"]
    volumes = [volume for id in endpoint["networkVolumes"] if (volume := service.volumes.rows.find(id))]
    return {
        "id": endpoint["id"],
        "name": endpoint["name"],
        "userId": USER_ID,
        "type": next(short for short, long in _TYPES.items() if long == endpoint["type"]),
        "version": endpoint["version"],
        "createdAt": timestamp(endpoint["createdAt"]),
        "gpuIds": ",".join([*gpu["pools"], *(f"-{name}" for name in gpu.get("excludedTypes", ()))])
        if gpu
        else "",
        "gpuCount": gpu["count"] if gpu else 0,
        "instanceIds": [f"{cpu['id']}-{cpu['vcpuCount']}-{cpu['memory']}" for cpu in endpoint.get("cpu", ())],
        "allowedCudaVersions": ",".join(gpu["allowedCudaVersions"]) if gpu else "",
        "minCudaVersion": gpu["minCudaVersion"] if gpu else None,
        "templateId": bound_template(endpoint),
        "template": lambda info: template_view(template_of(service, endpoint)),
        "env": pairs(endpoint["env"]),
        "idleTimeout": workers["idleTimeout"],
        "scalerType": scaling["type"],
        "scalerValue": scaling.get("queueDelay", scaling.get("requestCount")),
        "workersMin": workers["min"],
        "workersMax": workers["max"],
        "workersStandby": workers["min"],
        "workersPFBTarget": 0,
        "executionTimeoutMs": endpoint["timeout"],
        "flashBootType": endpoint["flashboot"],
        "locations": ",".join(endpoint["dataCenterIds"]),
        "networkVolumeId": volumes[0]["id"] if volumes else "",
        "networkVolumeIds": [
            {"networkVolumeId": volume["id"], "dataCenterId": volume["dataCenter"]} for volume in volumes
        ],
        "networkVolume": volume_view(volumes[0]) if volumes else None,
        "flashEnvironmentId": endpoint.get("flashEnvironmentId"),
    }


def _settings(service: RestService, template_id: str) -> dict[str, Any]:
    template = service.templates.get_for(template_id, serverless=True)
    return {name: template[name] for name in CONTAINER}


def _body(input: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
    """The input under the names of REST v2, all of them set."""
    name = input.get("name") or (old and old["name"])
    if not name:
        raise bad_request("saveEndpoint: name must be given")
    kind = _TYPES.get(input.get("type") or "QB")
    if kind is None:
        raise bad_request("saveEndpoint: type must be QB or LB")
    kind = old["type"] if old else kind
    body: dict[str, Any] = {"name": name, "scaling": _scaling(input, kind)}
    if old is None:
        body["type"] = kind
    body["workers"] = {"min": _or(input, "workersMin", 0), "max": _or(input, "workersMax", 3)}
    if body["workers"]["min"] < 0 or body["workers"]["max"] < 0:
        raise bad_request("saveEndpoint: workersMin and workersMax must not be negative")
    idle = _or(input, "idleTimeout", 10)
    if not 1 <= idle <= 3600:
        raise bad_request("saveEndpoint: idleTimeout must be between 1 and 3600")
    if idle_timeout_applies({"type": kind, "scaling": body["scaling"]}):
        body["workers"]["idleTimeout"] = idle
    body["timeout"] = _or(input, "executionTimeoutMs", 0)
    body["flashboot"] = _or(input, "flashBootType", "OFF")
    if body["flashboot"] not in FLASHBOOT:
        raise bad_request(f"saveEndpoint: flashBootType must be one of {', '.join(FLASHBOOT)}")
    body["dataCenterIds"] = split(input.get("locations"))
    volumes = [volume["networkVolumeId"] for volume in input.get("networkVolumeIds") or ()]
    body["networkVolumes"] = volumes or [id for id in [input.get("networkVolumeId")] if id]
    return body | _compute(input)


def _scaling(input: dict[str, Any], kind: str) -> dict[str, Any]:
    default = "REQUEST_COUNT" if kind == "LOAD_BALANCER" else "QUEUE_DELAY"
    scaler, value = _or(input, "scalerType", default), _or(input, "scalerValue", 4)
    if scaler == "QUEUE_DELAY" and value >= 0.5:
        return {"type": scaler, "queueDelay": value}
    if scaler == "REQUEST_COUNT" and value >= 1:
        return {"type": scaler, "requestCount": int(value)}
    raise bad_request(
        "saveEndpoint: scalerType must be QUEUE_DELAY (scalerValue from 0.5) or REQUEST_COUNT (from 1)"
    )


def _compute(input: dict[str, Any]) -> dict[str, Any]:
    instances = [id for id in input.get("instanceIds") or () if id]
    if instances:
        return {"cpu": [cpu_of(id) for id in instances]}
    names = split(input.get("gpuIds"))
    if not names:
        raise bad_request("saveEndpoint: gpuIds or instanceIds must be given")
    versions = split(input.get("allowedCudaVersions"))
    floor = input.get("minCudaVersion") or ""
    if not all(map(_CUDA.fullmatch, [*versions, *([floor] if floor else [])])):
        raise bad_request("saveEndpoint: a CUDA version is major.minor, such as 12.8")
    gpu = {
        "pools": [name for name in names if not name.startswith("-")],
        "excludedTypes": [name[1:] for name in names if name.startswith("-")],
        "count": _or(input, "gpuCount", 1),
        "allowedCudaVersions": versions,
        # Clients send both; the exact set is the narrower one.
        "minCudaVersion": "" if versions else floor,
    }
    if gpu["count"] < 1:
        raise bad_request("saveEndpoint: gpuCount must be at least 1")
    return {"gpu": gpu}


def cpu_of(instance_id: str) -> dict[str, Any]:
    """ "cpu5c-4-8" (flavor, vCPUs, GB) as REST v2 has it."""
    match = re.fullmatch(r"([a-z0-9]+)-([0-9]{1,4})-([0-9]{1,5})", instance_id)
    if match is None:
        raise bad_request(f"'{instance_id}' is not an instance id such as cpu5c-4-8")
    return {"id": match[1], "vcpuCount": int(match[2])}


def _or(input: dict[str, Any], name: str, default: Any) -> Any:
    return default if input.get(name) is None else input[name]
