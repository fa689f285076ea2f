"""What a program can ask of RunPod: prices and stock, places, bills, and an endpoint by its name."""

import asyncio
from typing import Any

import pytest

from tests.runpod.engine import Failed, Refused
from tests.runpod.programs import VOLUME
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio


async def test_gpu_classes_have_price_and_stock_cheapest_first(world: World) -> None:
    world.settings.stock = {"EU-RO-1": {"NVIDIA L4": "LOW"}, "*": {"NVIDIA B200": "NONE"}}
    found = (await world.engine.invoke("getGpuClasses"))["gpus"]
    prices = [gpu["serverlessUsdPerHour"] for gpu in found if "serverlessUsdPerHour" in gpu]
    assert prices == sorted(prices)
    assert len(prices) > 5
    by_id = {gpu["id"]: gpu for gpu in found}
    assert by_id["NVIDIA L4"]["pool"] == "AMPERE_24"
    assert {"id": "EU-RO-1", "availability": "LOW"} in by_id["NVIDIA L4"]["dataCenters"]
    assert by_id["NVIDIA B200"]["availability"] == "NONE"
    stocked = (await world.engine.invoke("getGpuClasses", inStock=True, pool="BLACKWELL_180"))["gpus"]
    assert stocked == []


async def test_gpu_classes_of_pods_in_one_place(world: World) -> None:
    found = (await world.engine.invoke("getGpuClasses", product="POD", dataCenter="EU-RO-1"))["gpus"]
    assert found
    assert all("EU-RO-1" in [place["id"] for place in gpu["dataCenters"]] for gpu in found)


async def test_a_minute_of_questions_is_one_request(world: World) -> None:
    for _ in range(3):
        await world.engine.invoke("getGpuClasses")
    assert len(world.requests) == 1


async def test_data_centers_and_what_each_has(world: World) -> None:
    found = (await world.engine.invoke("getDataCenters"))["dataCenters"]
    by_id = {place["id"]: place for place in found}
    assert by_id["EU-RO-1"]["region"] == "EUROPE"
    assert by_id["EU-RO-1"]["gpus"]["NVIDIA L4"]
    storing = (await world.engine.invoke("getDataCenters", networkVolumes=True))["dataCenters"]
    assert storing
    assert all(place["networkVolumeTypes"] for place in storing)
    assert len(storing) <= len(found)


async def test_cpu_flavors(world: World) -> None:
    found = (await world.engine.invoke("getCpuFlavors"))["flavors"]
    (cpu5c,) = [flavor for flavor in found if flavor["id"] == "cpu5c"]
    assert cpu5c["ramGbPerVcpu"] == 2
    assert cpu5c["serverlessUsdPerVcpuHour"] > 0


async def test_an_endpoint_by_its_name(world: World) -> None:
    await world.engine.up("search", GPU)
    (raw,) = await world.endpoints()
    found = await world.engine.invoke("getEndpoint", name="search")
    assert (found["id"], found["url"], found["type"]) == (raw["id"], raw["requestUrls"]["runSync"], "QUEUE")
    with pytest.raises(Failed, match="did you mean search"):
        await world.engine.invoke("getEndpoint", name="serch")
    body = {k: raw[k] for k in ("name", "type", "image", "scaling")} | {"gpu": {"pools": ["ADA_24"]}}
    await world.call("POST", "/v2/serverless", body)
    await world.restart()
    with pytest.raises(Failed, match='2 endpoints are named "search"'):
        await world.engine.invoke("getEndpoint", name="search")


@pytest.mark.parametrize("of", ["EVERYTHING", "SERVERLESS", "PODS", "NETWORK_VOLUMES"])
async def test_bills(world: World, of: str) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    world.clock.time += 86400
    found = await world.engine.invoke("getBilling", of=of, last=2)
    assert found["totalUsd"] == pytest.approx(sum(record["totalUsd"] for record in found["records"]))
    if of in ("EVERYTHING", "NETWORK_VOLUMES"):
        assert found["totalUsd"] > 0
    if of == "NETWORK_VOLUMES":
        assert {record["id"] for record in found["records"]} == {world.engine.state["NetworkVolume/w"].id}


async def test_a_question_that_makes_no_sense_is_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.invoke("getBilling", of="PODZ")
    assert "of" in caught.value.failures
    with pytest.raises(Failed, match="`of` is EVERYTHING"):
        await world.engine.invoke("getBilling", id="x")
    with pytest.raises(Failed, match="getGpuClasses"):
        await world.engine.invoke("getGpuClass")
    with pytest.raises(Failed, match="startTime"):
        await world.engine.invoke("getBilling", startTime="yesterday")


async def test_answers_lost_on_the_way_are_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(self: Any, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("infra.runpod.client.Patience.sleep", sleep)
    world.strike(bad={"kind": "server_error", "methods": ["GET"], "times": 2})
    found = await asyncio.wait_for(world.engine.invoke("getCpuFlavors"), 10)
    assert found["flavors"]
    assert len(slept) == 2
