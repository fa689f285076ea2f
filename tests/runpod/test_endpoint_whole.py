"""Load balancers, volumes and where they are, RunPod's own scale-down, stock, and every refusal at its property."""

import asyncio
from typing import Any

import pytest

from infra.kit import UNKNOWN
from infra.localcloud.core.settings import RateLimits
from infra.runpod.market import Market
from tests.runpod.engine import Failed, Refused
from tests.runpod.programs import VOLUME
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

BALANCER: dict[str, Any] = GPU | {"type": "LOAD_BALANCER", "ports": ["8000/http"]}
CPU: dict[str, Any] = {k: v for k, v in GPU.items() if k != "gpu"} | {"cpu": [{"id": "cpu5c"}]}


async def endpoint(world: World) -> dict[str, Any]:
    (raw,) = await world.endpoints()
    return raw


async def test_a_load_balancer_scales_by_requests_without_being_told(world: World) -> None:
    await world.engine.up("search", BALANCER | {"workers": {"max": 2, "idleTimeout": 30}})
    raw = await endpoint(world)
    assert raw["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 4}
    assert raw["workers"]["idleTimeout"] == 30
    state = world.engine.state["search"].plain
    assert (state["url"], state["requestUrls"]) == (raw["requestUrls"]["base"], raw["requestUrls"])
    assert await world.engine.up("search", BALANCER | {"workers": {"max": 2, "idleTimeout": 30}}) == "same"
    await world.restart()
    await world.engine.refresh("search")
    assert await world.engine.up("search", BALANCER | {"workers": {"max": 2, "idleTimeout": 30}}) == "same"


async def test_after_importing_a_load_balancer_the_next_preview_is_empty(world: World) -> None:
    await world.engine.up("original", BALANCER)
    id = world.engine.state.pop("original").id
    await world.engine.adopt("search", id)
    assert await world.engine.up("search", BALANCER) == "same"


async def test_from_queue_to_load_balancer_replaces_and_says_so(world: World) -> None:
    await world.engine.up("search", GPU)
    before = await endpoint(world)
    assert await world.engine.up("search", BALANCER) == "replace"
    assert (await endpoint(world))["id"] != before["id"]
    assert any("QUEUE -> LOAD_BALANCER" in text for text in world.link.warned)


async def test_from_gpu_to_cpu_replaces_and_says_so_in_the_preview(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.engine.preview("search", CPU)
    (said,) = world.link.warned
    assert said.startswith("GPU -> CPU: RunPod cannot change an endpoint between GPU and CPU")
    assert "another id and URL" in said
    await world.engine.preview("search", GPU | {"image": "i2"})
    assert len(world.link.warned) == 1


async def volume(world: World, name: str, place: str) -> str:
    program = VOLUME | {"name": name, "dataCenter": place}
    await world.engine.up(f"NetworkVolume/{name}", program)
    return world.engine.state[f"NetworkVolume/{name}"].id


async def test_several_volumes_one_for_each_data_center(world: World) -> None:
    one, two = await volume(world, "one", "EU-RO-1"), await volume(world, "two", "EU-CZ-1")
    mounted = GPU | {
        "networkVolumes": [one, two],
        "networkVolumeDataCenters": ["EU-RO-1", "EU-CZ-1"],
    }
    await world.engine.up("search", mounted)
    raw = await endpoint(world)
    assert sorted(raw["networkVolumes"]) == sorted([one, two])
    assert sorted(raw["dataCenterIds"]) == ["EU-CZ-1", "EU-RO-1"]
    assert await world.engine.up("search", mounted) == "same"
    await world.restart()
    await world.engine.refresh("search")
    assert await world.engine.up("search", mounted) == "same"
    fewer = GPU | {"networkVolumes": [one], "networkVolumeDataCenters": ["EU-RO-1"]}
    assert await world.engine.up("search", fewer) == "update"
    assert (await endpoint(world))["dataCenterIds"] == ["EU-RO-1"]


@pytest.mark.parametrize("id", ["v1", UNKNOWN])
async def test_a_worker_that_could_miss_its_volume_is_refused_in_the_preview(world: World, id: Any) -> None:
    mounted = GPU | {"networkVolumes": [id], "networkVolumeDataCenters": ["EU-RO-1"]}
    with pytest.raises(Refused) as caught:
        await world.engine.preview("search", mounted | {"dataCenterIds": ["EU-RO-1", "EU-CZ-1"]})
    assert "a worker in EU-CZ-1 would have no volume" in caught.value.failures["dataCenterIds[1]"]
    with pytest.raises(Refused) as caught:
        await world.engine.preview("search", mounted | {"dataCenterIds": ["EU-CZ-1"]})
    assert set(caught.value.failures) == {"networkVolumes[0]", "dataCenterIds[0]"}
    assert world.requests == []


async def lowered(world: World, to: int, **program: Any) -> dict[str, Any]:
    wanted = GPU | {"workers": {"max": 5}} | program
    await world.engine.up("search", wanted)
    await world.call("PATCH", f"/v2/serverless/{world.engine.state['search'].id}", {"workers": {"max": to}})
    await world.restart()
    await world.engine.refresh("search")
    return wanted


@pytest.mark.parametrize(("to", "days"), [(2, 3), (0, 7)])
async def test_runpods_own_scale_down_is_named_and_repaired(world: World, to: int, days: int) -> None:
    wanted = await lowered(world, to)
    (said,) = world.link.warned
    assert said.startswith(f"RunPod lowered max workers to {to} after {days} idle days (declared: 5)")
    assert "raises it again" in said
    assert world.engine.state["search"].plain["scaledDownTo"] == to
    assert await world.engine.up("search", wanted) == "update"
    assert (await endpoint(world))["workers"]["max"] == 5
    assert "scaledDownTo" not in world.engine.state["search"].plain


async def test_without_repair_the_lowered_number_is_no_difference_and_stays(world: World) -> None:
    wanted = await lowered(world, 2, repairScaleDown=False)
    assert "It stays so" in world.link.warned[0]
    assert world.engine.state["search"].plain["scaledDownTo"] == 2
    assert await world.engine.up("search", wanted) == "same"
    assert await world.engine.up("search", wanted | {"timeoutMs": 9000}) == "update"
    assert (await endpoint(world))["workers"]["max"] == 2
    assert await world.engine.up("search", wanted | {"timeoutMs": 9000, "workers": {"max": 6}}) == "update"
    assert (await endpoint(world))["workers"]["max"] == 6


async def test_turning_repair_on_repairs(world: World) -> None:
    wanted = await lowered(world, 2, repairScaleDown=False)
    assert await world.engine.up("search", wanted | {"repairScaleDown": True}) == "update"
    assert (await endpoint(world))["workers"]["max"] == 5


async def test_another_number_is_someone_at_the_console(world: World) -> None:
    wanted = await lowered(world, 3, repairScaleDown=False)
    assert world.link.warned == []
    assert await world.engine.up("search", wanted) == "update"


async def test_a_partial_update_never_clears_the_exclusions(world: World) -> None:
    gpu = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]}
    await world.engine.up("search", GPU | {"gpu": gpu})
    for changes in ({"count": 2}, {"minCudaVersion": "12.1"}, {"pools": ["AMPERE_24", "ADA_24"]}):
        gpu = gpu | changes
        await world.engine.up("search", GPU | {"gpu": gpu})
        assert (await endpoint(world))["gpu"]["excludedTypes"] == ["NVIDIA L4"]


async def test_a_data_center_without_the_gpu_is_refused_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def offered(self: Market, ctx: Any) -> list[dict[str, Any]]:
        l4, b200 = {"id": "NVIDIA L4", "availability": "LOW"}, {"id": "NVIDIA B200", "availability": "HIGH"}
        return [{"id": "EU-RO-1", "gpuAvailability": [b200]}, {"id": "EU-CZ-1", "gpuAvailability": [l4]}]

    monkeypatch.setattr(Market, "data_centers", offered)
    mounted = {"networkVolumes": ["v1"], "networkVolumeDataCenters": ["EU-RO-1"]}
    with pytest.raises(Failed, match=r"^dataCenterIds: EU-RO-1 has none of these: .*NVIDIA L4") as caught:
        await world.engine.up("search", GPU | mounted)
    assert "data centers that have it (EU-CZ-1)" in str(caught.value)
    assert await world.endpoints() == []
    await world.engine.up("search", GPU | {"dataCenterIds": ["EU-CZ-1"]})
    with pytest.raises(Failed, match=r"^dataCenterIds: EU-RO-1 has none"):
        await world.engine.up("search", GPU | {"dataCenterIds": ["EU-RO-1"]})
    assert (await endpoint(world))["dataCenterIds"] == ["EU-CZ-1"]
    with pytest.raises(Failed, match=r"^dataCenterIds: EU-CZ-1 has none of these: cpu5c"):
        await world.engine.up("lean", CPU | {"name": "lean", "dataCenterIds": ["EU-CZ-1"]})


async def test_one_that_is_sold_out_there_is_made_with_a_warning(world: World) -> None:
    world.settings.stock = {"EU-RO-1": {"*": "NONE"}}
    await world.engine.up("search", GPU | {"dataCenterIds": ["EU-RO-1"]})
    assert any("sold out in EU-RO-1 at the moment" in text for text in world.link.warned)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"networkVolumes": ["nosuch"]}, "networkVolumes"),
        ({"registryId": "nosuch"}, "registryId"),
        ({"image": "nowhere/none:1"}, "image"),
        ({"dataCenterIds": ["XX-1"]}, "dataCenterIds"),
    ],
)
async def test_what_only_runpod_knows_is_refused_at_its_property(
    world: World, changes: dict[str, Any], place: str
) -> None:
    world.images.missing.add("nowhere/none:1")
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", GPU | changes)
    assert str(caught.value).startswith(f"{place}: "), str(caught.value)
    assert await world.endpoints() == []
    await world.engine.up("search", GPU)
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", GPU | changes)
    assert str(caught.value).startswith(f"{place}: "), str(caught.value)


async def test_a_refresh_of_500_stays_inside_the_rate_limit(world: World) -> None:
    names = [f"e{n}" for n in range(500)]
    await world.engine.up("first", GPU | {"name": "first"})
    first = world.engine.state["first"]
    (row,) = world.store.endpoints()
    for name in names:
        world.store.save_endpoint(f"id{name}", row | {"id": f"id{name}", "name": name})
        world.engine.state[name] = type(first)(f"id{name}", first.inputs, first.outputs)
    world.settings.rate_limits = RateLimits(minute=10)
    world.settings.rate_limit = True
    await world.restart()
    world.requests.clear()
    before = world.clock.time
    found = await asyncio.gather(*(world.engine.refresh(name) for name in names))
    assert [entry.plain["name"] for entry in found if entry] == names
    assert world.requests == ["GET /v2/serverless"]
    assert world.clock.time - before < 60
