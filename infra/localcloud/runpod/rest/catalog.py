"""Handlers of /v2/catalog. Everything offered is in stock for serverless; pods and clusters are not offered here."""

from typing import Any

from aiohttp import web

from infra.catalog import CpuFlavor, DataCenter
from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.offers import GpuType
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


class CatalogHandlers:
    def __init__(self, service: RestService) -> None:
        self._offers = service.offers
        self._price = service.meter.price

    async def gpus(self, request: web.Request) -> web.Response:
        stock, countries = _gpu_stock(request)
        places = self._places(countries)
        shown = [] if stock is not None and not places else list(self._offers.gpus.values())
        return web.json_response({"gpus": [self._gpu(gpu, stock, places) for gpu in shown]})

    async def gpu(self, request: web.Request) -> web.Response:
        stock, countries = _gpu_stock(request)
        gpu = self._offers.gpus.get(request.match_info["id"])
        if gpu is None:
            raise not_found("GPU type")
        return web.json_response(self._gpu(gpu, stock, self._places(countries)))

    async def cpus(self, request: web.Request) -> web.Response:
        stock = _cpu_stock(request)
        return web.json_response({"cpus": [self._cpu(cpu, stock) for cpu in self._offers.cpus.values()]})

    async def cpu(self, request: web.Request) -> web.Response:
        stock = _cpu_stock(request)
        cpu = self._offers.cpus.get(request.match_info["id"])
        if cpu is None:
            raise not_found("CPU type")
        return web.json_response(self._cpu(cpu, stock))

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

    def _gpu(self, gpu: GpuType, stock: str | None, places: list[str]) -> dict[str, Any]:
        price: dict[str, float] = {"secure": 0.0, "community": 0.0}
        if per_hour := self._price(gpu.id, 1, 0) * 3600:
            price["serverless"] = float(per_hour)
        return {
            "id": gpu.id,
            "name": gpu.name,
            "pool": gpu.pool,
            "manufacturer": "NVIDIA",
            "memory": gpu.memory_gb,
            "secure": False,
            "community": False,
            "price": price,
            "maxCount": {"secure": 0, "community": 0},
            **_availability(stock, places),
        }

    def _cpu(self, cpu: CpuFlavor, stock: str | None) -> dict[str, Any]:
        return {
            "id": cpu.id,
            "name": cpu.name,
            "group": cpu.group,
            "vcpu": {"min": cpu.vcpu_min, "max": cpu.vcpu_max},
            "ramGbPerVcpu": cpu.ram_gib_per_vcpu,
            "price": {"securePerVcpu": 0.0, "serverlessPerVcpu": float(self._price(None, 0, 1) * 3600)},
            **_availability(stock, list(self._offers.data_centers)),
        }

    def _data_center(self, center: DataCenter, include: list[str]) -> dict[str, Any]:
        view: dict[str, Any] = {
            "id": center.id,
            "name": center.id,
            "region": center.region,
            "globalNetwork": False,
            "networkVolumeTypes": ["STANDARD"] if center.s3 else [],
            "compliance": [],
        }
        if "GPU_AVAILABILITY" in include:
            view["gpuAvailability"] = [_in_stock(gpu.id, gpu.name) for gpu in self._offers.gpus.values()]
        if "CPU_AVAILABILITY" in include:
            view["cpuAvailability"] = [_in_stock(cpu.id, cpu.name) for cpu in self._offers.cpus.values()]
        return view

    def _places(self, countries: list[str]) -> list[str]:
        return [id for id in self._offers.data_centers if not countries or _country(id) in countries]


def _gpu_stock(request: web.Request) -> tuple[str | None, list[str]]:
    """The stock level asked for (None: not asked) and the countries it is limited to."""
    stock = _stock(request, ("POD", "CLUSTER", "SERVERLESS"))
    query.whole(request, "count", 1)
    query.one(request, "cloud", ("SECURE", "COMMUNITY"))
    countries = query.patterned(request, "countryCodes", "[A-Z]{2}")
    exact = query.patterned(request, "cudaVersions", _CUDA)
    floor = query.patterned(request, "minCudaVersion", r"\d+(\.\d+)?")
    if exact and floor:
        raise bad_request("cudaVersions and minCudaVersion are mutually exclusive")
    return stock, countries


def _cpu_stock(request: web.Request) -> str | None:
    stock = _stock(request, ("POD", "SERVERLESS"))
    vcpu = query.whole(request, "vcpuCount", 2)
    if vcpu is not None and vcpu & (vcpu - 1):
        raise bad_request("vcpuCount must be a power of two")
    return stock


def _stock(request: web.Request, known: tuple[str, ...]) -> str | None:
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
    return "HIGH" if "SERVERLESS" in products else "NONE"


def _included(request: web.Request) -> list[str]:
    return query.names(request, "include", ("GPU_AVAILABILITY", "CPU_AVAILABILITY"))


def _availability(stock: str | None, places: list[str]) -> dict[str, Any]:
    if stock is None:
        return {}
    if stock == "NONE" or not places:
        return {"availability": "NONE"}
    return {"availability": stock, "dataCenters": [_in_stock(place, place) for place in places]}


def _in_stock(id: str, name: str) -> dict[str, str]:
    return {"id": id, "name": name, "availability": "HIGH"}


def _country(data_center_id: str) -> str:
    area, country, *_ = data_center_id.split("-")
    return area if area in ("US", "CA") else country
