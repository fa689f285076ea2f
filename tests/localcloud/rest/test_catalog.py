"""The catalog: what it lists, its filters, its prices."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import CPU, Cloud

pytestmark = pytest.mark.anyio

GPUS, CPUS, CENTERS = "/v2/catalog/gpus", "/v2/catalog/cpus", "/v2/catalog/datacenters"
STOCK = "include=AVAILABILITY&product=SERVERLESS"


async def test_gpus_have_pool_memory_and_hourly_price(cloud: Cloud) -> None:
    _, listed = await cloud.call("GET", GPUS)
    by_id = {gpu["id"]: gpu for gpu in listed["gpus"]}
    assert by_id["NVIDIA L4"] == {
        "id": "NVIDIA L4",
        "name": "L4",
        "pool": "AMPERE_24",
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": True,
        "community": False,
        "price": {"secure": 0.0, "community": 0.0, "serverless": 0.684},
        "maxCount": {"secure": 8, "community": 0},
    }
    assert by_id["NVIDIA B300 SXM6 AC"]["pool"] is None, "pods only"
    assert by_id["NVIDIA B300 SXM6 AC"]["price"] == {"secure": 7.89, "community": 0.0}
    assert "serverless" not in by_id["NVIDIA GeForce RTX 5090"]["price"], (
        "no published price, so none is told"
    )
    assert await cloud.call("GET", f"{GPUS}/NVIDIA%20L4") == (200, by_id["NVIDIA L4"])


async def test_every_pool_and_center_listed_can_be_deployed_to(cloud: Cloud) -> None:
    _, gpus = await cloud.call("GET", GPUS)
    _, centers = await cloud.call("GET", CENTERS)
    pools = sorted({gpu["pool"] for gpu in gpus["gpus"] if gpu["pool"]})
    assert len(pools) > 8
    await cloud.make(gpu={"pools": pools}, dataCenterIds=[center["id"] for center in centers["dataCenters"]])
    _, cpus = await cloud.call("GET", CPUS)
    for cpu in cpus["cpus"]:
        choice = [{"id": cpu["id"], "vcpuCount": cpu["vcpu"]["max"]}]
        status, made = await cloud.call("POST", "/v2/serverless", CPU | {"cpu": choice})
        assert status == 201
        assert made["cpu"][0]["memory"] == cpu["vcpu"]["max"] * cpu["ramGbPerVcpu"]


async def test_stock_is_told_when_asked_for(cloud: Cloud) -> None:
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20L4?{STOCK}")
    assert gpu["availability"] == "HIGH"
    assert {"id": "EU-RO-1", "name": "EU-RO-1", "availability": "HIGH"} in gpu["dataCenters"]
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20L4?include=AVAILABILITY&product=POD&cloud=COMMUNITY")
    assert gpu["availability"] == "NONE"
    assert "dataCenters" not in gpu
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20B300%20SXM6%20AC?{STOCK}")
    assert gpu["availability"] == "NONE"
    _, listed = await cloud.call("GET", f"{CPUS}?{STOCK}&vcpuCount=4")
    assert {cpu["availability"] for cpu in listed["cpus"]} == {"HIGH"}


async def test_stock_is_as_the_setting_has_it(cloud: Cloud) -> None:
    cloud.settings.update({"stock": {"*": {"AMPERE_24": "NONE"}, "EU-RO-1": {"NVIDIA L4": "LOW"}}})
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20L4?{STOCK}")
    assert gpu["availability"] == "LOW"
    assert gpu["dataCenters"] == [{"id": "EU-RO-1", "name": "EU-RO-1", "availability": "LOW"}]
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20RTX%20A5000?{STOCK}")
    assert (gpu["availability"], "dataCenters" in gpu) == ("NONE", False)
    _, listed = await cloud.call("GET", f"{GPUS}?{STOCK}&countryCodes=CZ")
    assert "NVIDIA L4" not in {gpu["id"] for gpu in listed["gpus"]}
    _, center = await cloud.call("GET", f"{CENTERS}/EU-CZ-1?include=GPU_AVAILABILITY")
    assert {"id": "NVIDIA L4", "name": "L4", "availability": "NONE"} in center["gpuAvailability"]


async def test_stock_by_country(cloud: Cloud) -> None:
    _, listed = await cloud.call("GET", f"{GPUS}?{STOCK}&countryCodes=RO,CZ")
    assert {place["id"] for place in listed["gpus"][0]["dataCenters"]} == {"EU-RO-1", "EU-CZ-1"}
    assert (await cloud.call("GET", f"{GPUS}?{STOCK}&countryCodes=BR"))[1] == {"gpus": []}
    _, gpu = await cloud.call("GET", f"{GPUS}/NVIDIA%20L4?{STOCK}&countryCodes=BR")
    assert gpu["availability"] == "NONE"


async def test_data_centers_and_their_filters(cloud: Cloud) -> None:
    async def ids(query: str) -> set[str]:
        _, listed = await cloud.call("GET", f"{CENTERS}?{query}")
        return {center["id"] for center in listed["dataCenters"]}

    assert await ids("regions=OCEANIA,ASIA") == {"OC-AU-1", "AP-JP-1"}
    assert "EU-RO-1" in await ids("networkVolumeTypes=STANDARD&regions=EUROPE")
    assert "EU-SE-1" not in await ids("networkVolumeTypes=STANDARD&regions=EUROPE")
    assert await ids("compliance=GDPR") == set()
    assert await ids("globalNetwork=true") == await ids("networkVolumeTypes=HIGH_PERFORMANCE") == {"US-KS-2"}
    assert await ids("globalNetwork=false") == await ids("") - {"US-KS-2"}
    _, center = await cloud.call("GET", f"{CENTERS}/EU-RO-1?include=GPU_AVAILABILITY,CPU_AVAILABILITY")
    assert {"id": "NVIDIA L4", "name": "L4", "availability": "HIGH"} in center["gpuAvailability"]
    assert "cpu5c" in {cpu["id"] for cpu in center["cpuAvailability"]}


REFUSED: list[tuple[str, int, Any]] = [
    (f"{GPUS}?include=AVAILABILITY", 400, "product is required with include=AVAILABILITY"),
    (f"{GPUS}?product=SERVERLESS", 400, "product is valid only with include=AVAILABILITY"),
    (f"{GPUS}?count=2", 400, "count is valid only with include=AVAILABILITY"),
    (f"{GPUS}?include=PRICES", 422, ["include: value must be one of 'AVAILABILITY'"]),
    (f"{GPUS}?{STOCK}&count=0", 422, ["count: minimum: got 0, want 1"]),
    (f"{GPUS}?{STOCK}&cloud=PRIVATE", 422, ["cloud: value must be one of 'SECURE', 'COMMUNITY'"]),
    (f"{GPUS}?{STOCK}&countryCodes=fr", 422, ["countryCodes: 'fr' does not match pattern '^[A-Z]{2}$'"]),
    (f"{GPUS}?{STOCK}&cudaVersions=12", 422, [r"cudaVersions: '12' does not match pattern '^\d+\.\d+$'"]),
    (f"{GPUS}?{STOCK}&cudaVersions=12.8&minCudaVersion=12", 400, "are mutually exclusive"),
    (f"{CPUS}?{STOCK}&vcpuCount=3", 400, "vcpuCount must be a power of two"),
    (
        f"{CPUS}?include=AVAILABILITY&product=CLUSTER",
        422,
        ["product: value must be one of 'POD', 'SERVERLESS'"],
    ),
    (f"{CENTERS}?regions=MARS", 422, None),
    (f"{GPUS}/L4", 404, "GPU type not found"),
    (f"{CPUS}/cpu9", 404, "CPU type not found"),
    (f"{CENTERS}/EU-XX-1", 404, "data center not found"),
]


@pytest.mark.parametrize(("path", "status", "reason"), REFUSED)
async def test_what_the_catalog_does_not_take(cloud: Cloud, path: str, status: int, reason: Any) -> None:
    got, problem = await cloud.call("GET", path)
    assert got == status
    if isinstance(reason, list):
        assert problem["errors"] == reason
    elif reason:
        assert reason in problem["detail"]
