"""A template: every setting changes in place, but a volume cannot be taken away again."""

from typing import Any

import pytest

from tests.runpod.engine import Failed, Refused
from tests.runpod.programs import TEMPLATE
from tests.runpod.world import World

pytestmark = pytest.mark.anyio

VOLUME = {"volume": {"sizeGb": 20, "path": "/data"}}


@pytest.mark.parametrize(
    ("changes", "patched"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"image": "i2"}, {"image": "i2"}),
        ({"args": "--fast"}, {"args": "--fast"}),
        ({"disk": 50}, {"disk": 50}),
        ({"ports": ["8000/http"]}, {"ports": ["8000/http"]}),
        ({"serverless": True}, {"serverless": True}),
        ({"public": True}, {"public": True}),
        ({"category": "CPU"}, {"category": "CPU"}),
        ({"startSsh": False}, {"startSsh": False}),
        ({"startJupyter": False}, {"startJupyter": False}),
        ({"allowedCudaVersions": ["12.8"]}, {"allowedCudaVersions": ["12.8"]}),
    ],
)
async def test_a_change_is_made_in_place_and_a_console_edit_is_put_back(
    world: World, changes: dict[str, Any], patched: dict[str, Any]
) -> None:
    await world.engine.up("Template/t", TEMPLATE | {"disk": 20})
    (before,) = await world.all("templates")
    assert await world.engine.up("Template/t", TEMPLATE | {"disk": 20} | changes) == "update"
    (after,) = await world.all("templates")
    assert {**before, **patched} == after
    await world.call(
        "PATCH", f"/v2/templates/{before['id']}", {key: before[key] for key in patched if key != "env"}
    )
    await world.restart()
    await world.engine.refresh("Template/t")
    assert await world.engine.up("Template/t", TEMPLATE | {"disk": 20} | changes) == "update"
    assert await world.all("templates") == [after]


async def test_a_changed_environment_keeps_the_mark(world: World) -> None:
    await world.engine.up("Template/t", TEMPLATE)
    await world.engine.up("Template/t", TEMPLATE | {"env": {"A": "b"}})
    (raw,) = await world.all("templates")
    assert raw["env"].pop("PILOTLIGHT_MARK").startswith("pl-")
    assert raw["env"] == {"A": "b"}


async def test_a_volume_grows_in_place_and_taking_it_away_replaces(world: World) -> None:
    await world.engine.up("Template/t", TEMPLATE | VOLUME)
    (before,) = await world.all("templates")
    assert before["mounts"] == {"persistent": {"size": 20, "path": "/data"}}
    bigger = {"volume": {"sizeGb": 30, "path": "/data"}}
    assert await world.engine.up("Template/t", TEMPLATE | bigger) == "update"
    inputs = await world.engine.check("Template/t", TEMPLATE)
    assert (await world.engine.diff("Template/t", inputs)).replaces == ["hasVolume"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"image": ""}, "image"),
        ({"disk": 0}, "disk"),
        ({"ports": ["x"]}, "ports[0]"),
        ({"env": {"PILOTLIGHT_MARK": "x"}}, "env.PILOTLIGHT_MARK"),
        ({"allowedCudaVersions": ["12"]}, "allowedCudaVersions[0]"),
        ({"volume": {"sizeGb": 5, "path": "data"}}, "volume.sizeGb"),
        ({"volume": {"sizeGb": 10, "path": "data"}}, "volume.path"),
        ({"volume": {"sizeGb": 10}, "serverless": True}, "volume"),
    ],
)
async def test_a_fault_is_refused_at_its_property(world: World, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.preview("Template/t", TEMPLATE | changes)
    assert path in caught.value.failures
    assert world.requests == []


async def test_replacing_one_with_a_fixed_name_says_how(world: World) -> None:
    await world.engine.up("Template/t", TEMPLATE)
    await world.restart()
    await world.engine.diff("Template/t", await world.engine.check("Template/t", TEMPLATE))
    with pytest.raises(Failed, match="delete_before_replace"):
        await world.engine.replace("Template/t", TEMPLATE)
