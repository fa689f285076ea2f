"""A volume keeps its files: through a new name, against a deletion by accident, while an app mounts it."""

import io
from typing import Any

import pytest

from tests.modal.engine import Failed
from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio


async def fill(world: World, name: str) -> None:
    handle = world.client.api.Volume.from_name(name, environment_name="main", client=world.client.handle)
    await handle.hydrate.aio()
    async with handle.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"hello"), "/words.txt")


async def test_a_new_name_renames(world: World) -> None:
    await world.engine.up("Volume/data", {"name": "data"})
    id = world.engine.state["Volume/data"].id
    assert await world.engine.up("Volume/data", {"name": "files"}) == "update"
    state = world.engine.state["Volume/data"]
    assert (state.id, state.plain["name"]) == (id, "files")
    assert await world.engine.up("Volume/data", {"name": "files"}) == "same"


async def test_another_version_is_another_volume_and_the_old_one_goes_first(world: World) -> None:
    await world.engine.up("Volume/data", {"name": "data", "version": 1})
    before = world.engine.state["Volume/data"]
    assert before.plain["version"] == 1
    assert await world.engine.up("Volume/data", {"name": "data", "version": 2}) == "replace"
    after = world.engine.state["Volume/data"]
    assert after.plain["version"] == 2
    assert after.id != before.id


async def test_one_that_holds_files_needs_force(world: World) -> None:
    await world.engine.up("Volume/data", {"name": "data", "version": 1})
    await fill(world, "data")
    entry = world.engine.state["Volume/data"]
    with pytest.raises(Failed, match=r"still holds .*words\.txt"):
        await world.engine.destroy("Volume/data")
    world.engine.state["Volume/data"] = entry
    forced: dict[str, Any] = {"name": "data", "version": 1, "forceDestroy": True}
    assert await world.engine.up("Volume/data", forced) == "update"
    await world.engine.destroy("Volume/data")
    assert "VolumeDelete" in world.calls


async def test_one_that_an_app_mounts_stays(world: World) -> None:
    await world.engine.up("Volume/data", {"name": "data"})
    mounts = {"Search": {"volumes": {"/data": {"name": "data", "subPath": "a", "readOnly": True}}}}
    await world.engine.up("App/search", SEARCH | {"classes": mounts})
    state = world.engine.state["App/search"].plain["classes"]["Search"]
    assert state["volumes"] == {"/data": {"name": "data", "subPath": "a", "readOnly": True}}
    entry = world.engine.state["Volume/data"]
    with pytest.raises(Failed, match=r"mounted by search\.Search"):
        await world.engine.destroy("Volume/data")
    world.engine.state["Volume/data"] = entry
    await world.engine.destroy("App/search")
    await world.engine.destroy("Volume/data")
    assert "VolumeDelete" in world.calls


async def test_an_app_shows_a_renamed_volume_as_drift(world: World) -> None:
    await world.engine.up("Volume/data", {"name": "data"})
    mounts = {"Search": {"volumes": {"/data": {"name": "data"}}}}
    await world.engine.up("App/search", SEARCH | {"classes": mounts})
    await world.engine.up("Volume/data", {"name": "files"})
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    assert entry.plain["classes"]["Search"]["volumes"]["/data"]["name"] == "files"
