"""An endpoint's life over gRPC against the local RunPod: made, read back, changed, replaced, imported, removed."""

import pytest

from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio


async def test_create_same_destroy(world: World) -> None:
    assert await world.engine.up("search", GPU) == "create"
    (raw,) = await world.endpoints()
    state = world.engine.state["search"]
    assert state.id == raw["id"]
    assert raw["timeout"] == 300000
    assert raw["env"]["PILOTLIGHT_MARK"].startswith("pl-")
    assert state.plain["requestUrls"] == raw["requestUrls"]
    assert state.plain["url"] == raw["requestUrls"]["runSync"]
    assert state.plain["createdAt"] == raw["createdAt"]
    assert state.plain["env"] == {"MODE": "fast"}
    assert await world.engine.up("search", GPU) == "same"
    await world.engine.destroy("search")
    assert await world.endpoints() == []
