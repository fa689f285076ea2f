"""pod, podFindAndDeployOnDemand, deployCpuPod, podStop, podResume, podTerminate, podEditJob."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.graphql.endpoints import cpu_of
from infra.localcloud.runpod.graphql.wire import container, split
from infra.localcloud.runpod.model import PodStatus
from infra.localcloud.runpod.rest.catalog import in_countries
from infra.localcloud.runpod.rest.pods import view_of
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.service import RestService

_FLAGS = ("startSsh", "startJupyter", "templateId")


def pod_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    def one(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any] | None:
        pod = service.pods.rows.find((input or {}).get("podId") or "")
        return None if pod is None else pod_view(service, pod)

    async def deploy(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        input = input or {}
        type_id = input.get("gpuTypeId") or next(iter(input.get("gpuTypeIdList") or ()), None)
        if not type_id:
            raise bad_request("gpuTypeId must be given")
        gpu: dict[str, Any] = {"id": type_id, "count": _positive(input, "gpuCount")}
        if input.get("allowedCudaVersions"):
            gpu["allowedCudaVersions"] = input["allowedCudaVersions"]
        return await _create(service, input, {"gpu": gpu})

    async def deploy_cpu(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        if not input.get("instanceId"):
            raise bad_request("instanceId must be given")
        return await _create(service, input, {"cpu": cpu_of(input["instanceId"])})

    async def stop(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return pod_view(service, await _acted(service, input["podId"], "stop"))

    async def resume(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return pod_view(service, await _acted(service, input["podId"], "start"))

    async def terminate(info: Any, input: dict[str, Any]) -> None:
        await service.pods.delete(input["podId"])

    async def edit(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return pod_view(service, await service.pods.update(input["podId"], container(input)))

    return {
        "pod": one,
        "podFindAndDeployOnDemand": deploy,
        "deployCpuPod": deploy_cpu,
        "podStop": stop,
        "podResume": resume,
        "podTerminate": terminate,
        "podEditJob": edit,
    }


def pod_view(service: RestService, pod: dict[str, Any]) -> dict[str, Any]:
    live, rest = service.pods.view(pod), view_of(service, pod)
    mounts, gpu, cpu = pod["mounts"], pod.get("gpu"), pod.get("cpu", {})
    network, persistent = mounts.get("network", [{}])[0], mounts.get("persistent", {})
    runtime = rest["runtime"]
    ended = not pod["running"] or live.status is PodStatus.EXITED
    return {
        "id": pod["id"],
        "name": pod["name"],
        "imageName": pod["image"],
        "dockerArgs": pod["args"],
        "desiredStatus": "EXITED" if ended else "RUNNING",
        "createdAt": rest["createdAt"],
        "containerDiskInGb": pod["disk"],
        "volumeInGb": persistent.get("size", 0),
        "volumeMountPath": persistent.get("path") or network.get("path"),
        "networkVolumeId": network.get("volumeId"),
        "templateId": pod["template"],
        "costPerHr": rest["cost"],
        "gpuCount": gpu["count"] if gpu else 0,
        "vcpuCount": cpu.get("vcpuCount"),
        "memoryInGb": cpu.get("memory"),
        "env": [f"{key}={value}" for key, value in pod["env"].items()],
        "ports": ",".join(pod["ports"]),
        "podType": "RESERVED",
        "locked": pod["locked"],
        "uptimeSeconds": runtime["uptime"] if runtime else 0,
        "machineId": f"local-{pod['dataCenterId'].lower()}",
        "machine": {
            "podHostId": f"{pod['id']}-local",
            "gpuDisplayName": service.offers.gpus[gpu["id"]].name if gpu else None,
            "dataCenterId": pod["dataCenterId"],
        },
        "runtime": runtime
        and {
            "uptimeInSeconds": runtime["uptime"],
            "ports": [
                {
                    "ip": port["ip"],
                    "isIpPublic": port["type"] == "tcp",
                    "privatePort": port["private"],
                    "publicPort": port["public"],
                    "type": port["type"],
                }
                for port in runtime["ports"]
            ],
        },
    }


async def _create(service: RestService, input: dict[str, Any], compute: dict[str, Any]) -> dict[str, Any]:
    body = container(input) | compute | _mounts(service, input)
    body |= {name: input[name] for name in _FLAGS if input.get(name) is not None}
    if not body.get("image") and "templateId" not in body:
        raise bad_request("imageName or templateId must be given")
    body["name"] = input.get("name") or body.get("image", "pod")
    if input.get("cloudType") == "COMMUNITY":
        body["cloud"] = "COMMUNITY"
    if input.get("dataCenterId"):
        body["dataCenterIds"] = [input["dataCenterId"]]
    elif input.get("countryCode"):
        countries = split(input["countryCode"])
        body["dataCenterIds"] = [
            id for id in service.offers.data_centers if in_countries(id, countries)
        ] or countries
    pod = await service.pods.create(body)
    if "templateId" in body:
        pod = pod | {"template": body["templateId"]}
        service.pods.rows.save(pod)
    return pod_view(service, pod)


def _mounts(service: RestService, input: dict[str, Any]) -> dict[str, Any]:
    path = input.get("volumeMountPath") or "/workspace"
    if input.get("networkVolumeId"):
        return {"mounts": {"network": [{"volumeId": input["networkVolumeId"], "path": path}]}}
    if (input.get("volumeInGb") or 0) > 0:
        return {"mounts": {"persistent": {"size": input["volumeInGb"], "path": path}}}
    return {}


async def _acted(service: RestService, pod_id: str, action: str) -> dict[str, Any]:
    await service.pods.act(pod_id, action)
    return service.pods.rows.get(pod_id)


def _positive(input: dict[str, Any], name: str) -> int:
    value = input.get(name)
    if value is not None and value < 1:
        raise bad_request(f"{name} must be at least 1")
    return 1 if value is None else int(value)
