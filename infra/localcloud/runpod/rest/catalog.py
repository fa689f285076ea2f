"""Handlers of /v2/catalog. Everything is offered in the secure cloud; what is in stock says the setting `stock`."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from infra.catalog import CpuFlavor, DataCenter
from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.offers import MAX_GPUS, GpuType
from infra.localcloud.runpod.rest.problems import bad_request, invalid, not_found
from infra.localcloud.runpod.rest.service import RestService

_REGIONS = (
    *("NORTH_AMERICA", "SOUTH_AMERICA", "EUROPE", "ASIA", "MIDDLE_EAST"),
    *("AFRICA", "OCEANIA", "ANTARCTICA", "UNKNOWN"),
)
_COMPLIANCE = (
    *("GDPR", "ISO_IEC_27001", "ISO_14001", "PCI_DSS", "HITRUST", "SOC_1_TYPE_2"),
    *("SOC_2_TYPE_2", "SOC_3_TYPE_2", "ITAR", "FISMA_HIGH", "HIPAA", "RENEWABLE"),
)
_ONLY_WITH_AVAILABILITY = (
    "product",
    "count",
    "cloud",
    "countryCodes",
    "cudaVersions",
    "minCudaVersion",
    "vcpuCount",
)
_CUDA = r"\d+\.\d+"


@dataclass(frozen=True)
class _Asked:
    """The availability that a request asks for: of these products, in these countries (all if empty)."""

    products: list[str]
    countries: list[str] = field(default_factory=list)
    count: int = 1
    cloud: str | None = None


class CatalogHandlers:
    def __init__(self, service: RestService) -> None:
        self._offers = service.offers
        self._stock = service.stock

    async def gpus(self, request: web.Request) -> web.Response:
        asked = _gpu_availability(request)
        views = [self._gpu(gpu, asked) for gpu in self._offers.gpus.values()]
        if asked and asked.countries:
            views = [view for view in views if view["availability"] != "NONE"]
        return web.json_response({"gpus": views})

    async def gpu(self, request: web.Request) -> web.Response:
        asked = _gpu_availability(request)
        gpu = self._offers.gpus.get(request.match_info["id"])
        if gpu is None:
            raise not_found("GPU type")
        return web.json_response(self._gpu(gpu, asked))

    async def cpus(self, request: web.Request) -> web.Response:
        asked = _cpu_availability(request)
        return web.json_response({"cpus": [self._cpu(cpu, asked) for cpu in self._offers.cpus.values()]})

    async def cpu(self, request: web.Request) -> web.Response:
        asked = _cpu_availability(request)
        cpu = self._offers.cpus.get(request.match_info["id"])
        if cpu is None:
            raise not_found("CPU type")
        return web.json_response(self._cpu(cpu, asked))

    async def data_centers(self, request: web.Request) -> web.Response:
        include = _included(request)
        regions = query.names(request, "regions", _REGIONS)
        volumes = query.names(request, "networkVolumeTypes", ("STANDARD", "HIGH_PERFORMANCE"))
        compliance = query.names(request, "compliance", _COMPLIANCE)
        global_network = query.one(request, "globalNetwork", ("true", "false"))
        views = [
            self._data_center(center, include)
            for center in self._offers.data_centers.values()
            if not regions or center.region in regions
        ]
        return web.json_response(
            {
                "dataCenters": [
                    view
                    for view in views
                    if set(volumes) <= set(view["networkVolumeTypes"])
                    and set(compliance) <= set(view["compliance"])
                    and global_network in (None, str(view["globalNetwork"]).lower())
                ]
            }
        )

    async def data_center(self, request: web.Request) -> web.Response:
        include = _included(request)
        center = self._offers.data_centers.get(request.match_info["id"])
        if center is None:
            raise not_found("data center")
        return web.json_response(self._data_center(center, include))

    def _gpu(self, gpu: GpuType, asked: _Asked | None) -> dict[str, Any]:
        price = {"secure": _per_hour(gpu.pod_usd_per_second), "community": 0.0}
        if gpu.usd_per_second:
            price["serverless"] = _per_hour(gpu.usd_per_second)
        return {
            "id": gpu.id,
            "name": gpu.name,
            "pool": gpu.pool,
            "manufacturer": gpu.id.split()[0] if gpu.id.startswith("AMD") else "NVIDIA",
            "memory": gpu.memory_gb,
            "secure": True,
            "community": False,
            "price": price,
            "maxCount": {"secure": MAX_GPUS, "community": 0},
            **self._gpu_stock(gpu, asked),
        }

    def _gpu_stock(self, gpu: GpuType, asked: _Asked | None) -> dict[str, Any]:
        if asked is None:
            return {}
        offered = gpu.pool is not None or set(asked.products) != {"SERVERLESS"}
        if not offered or asked.count > MAX_GPUS or asked.cloud == "COMMUNITY":
            return {"availability": "NONE"}
        places = [id for id in self._offers.data_centers if in_countries(id, asked.countries)]
        return self._stock.availability(gpu.id, places)

    def _cpu(self, cpu: CpuFlavor, asked: _Asked | None) -> dict[str, Any]:
        return {
            "id": cpu.id,
            "name": cpu.name,
            "group": cpu.group,
            "vcpu": {"min": cpu.vcpu_min, "max": cpu.vcpu_max},
            "ramGbPerVcpu": cpu.ram_gib_per_vcpu,
            "price": {
                "securePerVcpu": _per_hour(self._offers.pod_usd_per_vcpu_second),
                "serverlessPerVcpu": _per_hour(self._offers.usd_per_vcpu_second),
            },
            **(self._stock.availability(cpu.id, self._offers.data_centers) if asked else {}),
        }

    def _data_center(self, center: DataCenter, include: list[str]) -> dict[str, Any]:
        view: dict[str, Any] = {
            "id": center.id,
            "name": center.id,
            "region": center.region,
            "globalNetwork": center.id in self._offers.global_networks,
            "networkVolumeTypes": list(self._offers.volume_types.get(center.id, ())),
            "compliance": [],
        }
        if "GPU_AVAILABILITY" in include:
            view["gpuAvailability"] = [
                {"id": gpu.id, "name": gpu.name, "availability": self._stock.of_gpu(gpu.id, center.id)}
                for gpu in self._offers.gpus.values()
            ]
        if "CPU_AVAILABILITY" in include:
            view["cpuAvailability"] = [
                {"id": cpu.id, "name": cpu.name, "availability": self._stock.of_cpu(cpu.id, center.id)}
                for cpu in self._offers.cpus.values()
            ]
        return view


def _gpu_availability(request: web.Request) -> _Asked | None:
    products = _products(request, ("POD", "CLUSTER", "SERVERLESS"))
    count = query.whole(request, "count", 1)
    cloud = query.one(request, "cloud", ("SECURE", "COMMUNITY"))
    countries = query.patterned(request, "countryCodes", "[A-Z]{2}")
    exact = query.patterned(request, "cudaVersions", _CUDA)
    floor = query.patterned(request, "minCudaVersion", r"\d+(\.\d+)?")
    if exact and floor:
        raise bad_request("cudaVersions and minCudaVersion are mutually exclusive")
    return None if products is None else _Asked(products, countries, count or 1, cloud)


def _cpu_availability(request: web.Request) -> _Asked | None:
    products = _products(request, ("POD", "SERVERLESS"))
    vcpu = query.whole(request, "vcpuCount", 2)
    if vcpu is not None and vcpu & (vcpu - 1):
        raise bad_request("vcpuCount must be a power of two")
    return None if products is None else _Asked(products)


def _products(request: web.Request, known: tuple[str, ...]) -> list[str] | None:
    """None where availability is not asked for."""
    include = query.names(request, "include", ("AVAILABILITY",))
    products = query.names(request, "product", known)
    if len(include) > 1:
        raise invalid([f"include: maxItems: got {len(include)}, want 1"])
    if not include:
        for parameter in _ONLY_WITH_AVAILABILITY:
            if parameter in request.query:
                raise bad_request(f"{parameter} is valid only with include=AVAILABILITY")
        return None
    if not products:
        raise bad_request("product is required with include=AVAILABILITY")
    return products


def _included(request: web.Request) -> list[str]:
    return query.names(request, "include", ("GPU_AVAILABILITY", "CPU_AVAILABILITY"))


def in_countries(data_center_id: str, countries: list[str]) -> bool:
    area, country, *_ = data_center_id.split("-")
    return not countries or (area if area in ("US", "CA") else country) in countries


def _per_hour(usd_per_second: Decimal | None) -> float:
    return float(round((usd_per_second or Decimal(0)) * 3600, 9))
