"""gpuTypes, cpuFlavors, dataCenters, serverlessGpuPools."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from infra.catalog import CpuFlavor
from infra.localcloud.runpod.graphql.endpoints import cpu_of
from infra.localcloud.runpod.rest.offers import MAX_GPUS, GpuType
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.stock import LEVELS


def catalog_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    offers = service.offers

    def gpu_types(info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        wanted = _wanted(input)
        return [_gpu(service, gpu) for gpu in offers.gpus.values() if wanted is None or gpu.id in wanted]

    def cpu_flavors(info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        wanted = _wanted(input)
        return [_cpu(service, cpu) for cpu in offers.cpus.values() if wanted is None or cpu.id in wanted]

    def data_centers(info: Any) -> list[dict[str, Any]]:
        return [
            {"id": id, "name": id, "location": center.region, "storageSupport": id in offers.volume_types}
            for id, center in offers.data_centers.items()
        ]

    def pools(info: Any) -> list[dict[str, Any]]:
        return [{"id": pool, "gpuTypeIds": list(types)} for pool, types in offers.pools.items()]

    return {
        "gpuTypes": gpu_types,
        "cpuFlavors": cpu_flavors,
        "dataCenters": data_centers,
        "serverlessGpuPools": pools,
    }


def _wanted(input: dict[str, Any] | None) -> set[str] | None:
    """The ids that a filter names; None for all."""
    input = input or {}
    named = {id for id in [input.get("id"), *(input.get("ids") or ())] if id}
    return named or (set() if input.get("ids") == [] else None)


def _gpu(service: RestService, gpu: GpuType) -> dict[str, Any]:
    price = float((gpu.pod_usd_per_second or Decimal(0)) * 3600)

    def lowest(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        count = (input or {}).get("gpuCount") or 1
        return {
            "uninterruptablePrice": price * count,
            "stockStatus": _status(service, gpu.id, (input or {}).get("dataCenterId"))
            if count <= MAX_GPUS
            else None,
        }

    return {
        "id": gpu.id,
        "displayName": gpu.name,
        "manufacturer": "AMD" if gpu.id.startswith("AMD") else "Nvidia",
        "memoryInGb": gpu.memory_gb,
        "maxGpuCount": MAX_GPUS,
        "secureCloud": True,
        "communityCloud": False,
        "securePrice": price,
        "lowestPrice": lowest,
    }


def _cpu(service: RestService, cpu: CpuFlavor) -> dict[str, Any]:
    def specifics(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        input = input or {}
        vcpus = cpu_of(input["instanceId"])["vcpuCount"] if input.get("instanceId") else 1
        return {
            "stockStatus": _status(service, cpu.id, input.get("dataCenterId")),
            "securePrice": float(service.offers.pod_usd_per_vcpu_second * vcpus * 3600),
        }

    return {
        "id": cpu.id,
        "groupId": cpu.group,
        "groupName": cpu.group,
        "displayName": cpu.name,
        "minVcpu": cpu.vcpu_min,
        "maxVcpu": cpu.vcpu_max,
        "ramMultiplier": cpu.ram_gib_per_vcpu,
        "specifics": specifics,
    }


def _status(service: RestService, type_id: str, data_center: str | None) -> str | None:
    """ "High", "Medium", "Low", or None where there is none."""
    places = [data_center] if data_center else list(service.offers.data_centers)
    best = max((service.stock.of(type_id, place) for place in places), key=LEVELS.index)
    return None if best == "NONE" else best.title()
