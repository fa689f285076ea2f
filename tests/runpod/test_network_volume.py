"""A network volume: it grows, keeps its place, and is not deleted by accident."""

from typing import Any

import pytest

from tests.runpod.engine import Failed, Refused
from tests.runpod.programs import POD, VOLUME
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

FORCED = VOLUME | {"forceDestroy": True}


async def volumes(world: World) -> list[dict[str, Any]]:
    return await world.all("network-volumes")


async def test_it_grows_in_place_and_is_renamed_with_its_mark(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    (before,) = await volumes(world)
    assert await world.engine.up("NetworkVolume/w", VOLUME | {"sizeGb": 80, "name": "other"}) == "update"
    (after,) = await volumes(world)
    assert (after["id"], after["size"]) == (before["id"], 80)
    assert after["name"] == before["name"].replace("weights", "other")
    assert world.engine.state["NetworkVolume/w"].plain["type"] == "STANDARD"


async def test_declaring_the_tier_that_it_has_is_no_difference_and_another_replaces(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    assert await world.engine.up("NetworkVolume/w", VOLUME | {"type": "STANDARD"}) == "same"
    inputs = await world.engine.check("NetworkVolume/w", VOLUME | {"type": "HIGH_PERFORMANCE"})
    assert (await world.engine.diff("NetworkVolume/w", inputs)).replaces == ["type"]


async def test_shrinking_is_refused_in_the_preview_with_what_it_has(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    with pytest.raises(Refused) as caught:
        await world.engine.preview("NetworkVolume/w", VOLUME | {"sizeGb": 20})
    assert "the volume has 50 GB. Wanted: at least 50" in caught.value.failures["sizeGb"]
    # Grown at the console: the same, and not an endless wish to shrink it.
    await world.call("PATCH", f"/v2/network-volumes/{world.engine.state['NetworkVolume/w'].id}", {"size": 70})
    await world.restart()
    await world.engine.refresh("NetworkVolume/w")
    with pytest.raises(Refused, match="has 70 GB"):
        await world.engine.up("NetworkVolume/w", VOLUME)


async def test_a_smaller_one_elsewhere_is_a_new_volume_and_no_shrinking(world: World) -> None:
    await world.engine.up("NetworkVolume/w", FORCED)
    elsewhere = FORCED | {"sizeGb": 20, "dataCenter": "EU-CZ-1"}
    assert await world.engine.up("NetworkVolume/w", elsewhere) == "replace"
    (raw,) = await volumes(world)
    assert (raw["dataCenter"], raw["size"]) == ("EU-CZ-1", 20)


async def test_a_replacement_keeps_the_old_one_until_someone_says_otherwise(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    with pytest.raises(Failed, match="it may hold files"):
        await world.engine.up("NetworkVolume/w", VOLUME | {"dataCenter": "EU-CZ-1"})
    assert {raw["dataCenter"] for raw in await volumes(world)} == {"EU-RO-1", "EU-CZ-1"}


async def test_none_is_deleted_without_force_destroy_and_setting_it_makes_no_call(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    kept = world.engine.state["NetworkVolume/w"]
    with pytest.raises(Failed, match="forceDestroy"):
        await world.engine.destroy("NetworkVolume/w")
    world.engine.state["NetworkVolume/w"] = kept
    world.requests.clear()
    assert await world.engine.up("NetworkVolume/w", FORCED) == "update"
    assert world.requests == []
    await world.engine.destroy("NetworkVolume/w")
    assert await volumes(world) == []


async def test_the_refusal_names_what_mounts_it(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    id = world.engine.state["NetworkVolume/w"].id
    await world.engine.up("search", GPU | {"networkVolumes": [id]})
    await world.engine.up("Pod/tune", POD | {"networkVolume": {"id": id}})
    with pytest.raises(Failed) as caught:
        await world.engine.destroy("NetworkVolume/w")
    assert 'endpoint "search", pod "tune" mounts it' in str(caught.value)


async def test_one_deleted_at_the_console_lets_the_replacement_end(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    kept = world.engine.state["NetworkVolume/w"]
    with pytest.raises(Failed):
        await world.engine.destroy("NetworkVolume/w")
    await world.call("DELETE", f"/v2/network-volumes/{kept.id}")
    world.engine.state["NetworkVolume/w"] = kept
    await world.engine.destroy("NetworkVolume/w")


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"sizeGb": 9}, "sizeGb", "10 to 4096"),
        ({"sizeGb": 5000}, "sizeGb", "10 to 4096"),
        ({"dataCenter": "EU-R0-1"}, "dataCenter", "did you mean EU-RO-1"),
        ({"name": ""}, "name", "empty"),
        ({"name": "x" * 160}, "name", "at most 159"),
        ({"type": "FAST"}, "type", "HIGH_PERFORMANCE"),
        ({"size": 3}, "size", "sizeGb"),
    ],
)
async def test_a_fault_is_refused_at_its_property(
    world: World, changes: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.preview("NetworkVolume/w", VOLUME | changes)
    assert says in caught.value.failures[path]
    assert world.requests == []


async def test_a_data_center_without_volumes_is_refused_by_runpod_at_the_property(world: World) -> None:
    with pytest.raises(
        Failed,
        match=r"^dataCenter: RunPod refused to create network volume weights \(400\): .*valid data centers",
    ):
        await world.engine.up("NetworkVolume/w", VOLUME | {"dataCenter": "XX-NEW-9"})
    assert "NetworkVolume/w" not in world.engine.state


async def test_someone_mounting_a_leftover_keeps_it(world: World) -> None:
    unnamed = {key: value for key, value in VOLUME.items() if key != "name"}
    await world.engine.up("NetworkVolume/w", unnamed)
    kept = dict(world.engine.state)
    await world.restart()
    await world.engine.diff("NetworkVolume/w", await world.engine.check("NetworkVolume/w", unnamed))
    world.engine.state.clear()
    await world.engine.up("NetworkVolume/w", unnamed)
    leftover = world.engine.state["NetworkVolume/w"].id
    await world.engine.up("search", GPU | {"networkVolumes": [leftover]})
    world.engine.state = kept
    await world.restart()
    await world.engine.up("NetworkVolume/w", unnamed)
    assert leftover in [raw["id"] for raw in await volumes(world)]
    assert f"DELETE /v2/network-volumes/{leftover}" not in world.requests
    assert any('endpoint "search" mounts it' in text for text in world.link.warned)
