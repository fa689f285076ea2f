"""Whatever someone changes at the console shows at the next refresh, and the next `up` puts it back."""

from typing import Any

import pytest

from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

DECLARED: dict[str, Any] = GPU | {
    "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "workers": {"min": 0, "max": 3, "idleTimeout": 10},
    "disk": 20,
}


@pytest.mark.parametrize(
    ("console", "path", "shows"),
    [
        ({"name": "renamed"}, ("name",), "renamed"),
        ({"image": "other"}, ("image",), "other"),
        ({"gpu": {"pools": ["ADA_24"]}}, ("gpu", "pools"), ["ADA_24"]),
        (
            {"gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA RTX A5000"]}},
            ("gpu", "excludedTypes"),
            ["NVIDIA RTX A5000"],
        ),
        ({"gpu": {"count": 2}}, ("gpu", "count"), 2),
        ({"gpu": {"allowedCudaVersions": ["12.8"]}}, ("gpu", "allowedCudaVersions"), ["12.8"]),
        ({"gpu": {"minCudaVersion": "12.1"}}, ("gpu", "minCudaVersion"), "12.1"),
        ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 9}}, ("scaling", "queueDelay"), 9),
        ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}, ("scaling", "type"), "REQUEST_COUNT"),
        ({"workers": {"min": 1}}, ("workers", "min"), 1),
        ({"workers": {"max": 2}}, ("workers", "max"), 2),
        ({"workers": {"idleTimeout": 99}}, ("workers", "idleTimeout"), 99),
        ({"timeout": 7000}, ("timeoutMs",), 7000),
        ({"env": {"MODE": "slow"}}, ("env",), {"MODE": "slow"}),
        ({"args": "--debug"}, ("args",), "--debug"),
        ({"disk": 33}, ("disk",), 33),
        ({"ports": ["22/tcp"]}, ("ports",), ["22/tcp"]),
        ({"dataCenterIds": ["EU-RO-1"]}, ("dataCenterIds",), ["EU-RO-1"]),
        ({"flashboot": "PRIORITY_FLASHBOOT"}, ("flashboot",), "PRIORITY_FLASHBOOT"),
    ],
)
async def test_a_console_edit_shows_at_refresh_and_is_put_back(
    world: World, console: dict[str, Any], path: tuple[str, ...], shows: Any
) -> None:
    await world.engine.up("search", DECLARED)
    (original,) = await world.endpoints()
    world.fleet.staff[original["id"]] = []
    await world.call("PATCH", f"/v2/serverless/{original['id']}", console)
    await world.restart()
    entry = await world.engine.refresh("search")
    assert entry is not None
    for tree in (entry.plain, entry.inputs):
        found: Any = tree
        for key in path:
            found = found[key]
        assert found == shows
    diff = await world.engine.diff("search", await world.engine.check("search", DECLARED))
    assert diff.changed
    assert not diff.replaces
    assert any(field.split(".")[0].split("[")[0] == path[0] for field in diff.fields), diff.fields
    assert await world.engine.up("search", DECLARED) == "update"
    (restored,) = await world.endpoints()
    ours = {key for key in original if key != "env"}
    assert {key: restored[key] for key in ours} == {key: original[key] for key in ours}
    assert restored["env"] == original["env"] or "env" not in console
    assert await world.engine.up("search", DECLARED) == "same"


async def test_a_refresh_without_an_edit_changes_nothing(world: World) -> None:
    for program in (GPU, DECLARED):
        await world.engine.up("search", program)
        before = world.engine.state["search"]
        await world.restart()
        after = await world.engine.refresh("search")
        assert after is not None
        assert after.outputs == before.outputs
        assert not (await world.engine.diff("search", await world.engine.check("search", program))).changed


async def test_runpods_own_scale_down_of_an_idle_endpoint_is_drift(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.call("PATCH", f"/v2/serverless/{world.engine.state['search'].id}", {"workers": {"max": 0}})
    await world.restart()
    await world.engine.refresh("search")
    diff = await world.engine.diff("search", await world.engine.check("search", GPU))
    assert "workers.max" in diff.fields
    await world.engine.up("search", GPU)
    assert [raw["workers"]["max"] for raw in await world.endpoints()] == [3]


async def test_an_endpoint_removed_at_the_console_is_gone_at_refresh(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.call("DELETE", f"/v2/serverless/{world.engine.state['search'].id}")
    await world.restart()
    assert await world.engine.refresh("search") is None
    assert await world.engine.up("search", GPU) == "create"


async def test_a_refresh_of_many_is_one_request(world: World) -> None:
    import asyncio

    names = [f"e{n}" for n in range(50)]
    await asyncio.gather(*(world.engine.up(name, GPU | {"name": name}) for name in names))
    await world.restart()
    world.requests.clear()
    await asyncio.gather(*(world.engine.refresh(name) for name in names))
    assert world.requests == ["GET /v2/serverless"]
