"""What holds for each kind alike: made once, whatever goes wrong; adopted after a kill; imported; nothing stolen."""

import json
import shutil
from typing import Any

import pytest

from tests.runpod.engine import Failed
from tests.runpod.programs import COLLECTIONS, FORCED, PASSWORD, PROGRAMS
from tests.runpod.world import World

pytestmark = pytest.mark.anyio

KINDS = list(PROGRAMS)
SHAPES = {
    "Pod": {
        "name": "tune",
        "image": "i",
        "gpu": {"id": "NVIDIA L4", "count": 1},
        "env": {"MODE": "fast"},
    },
    "NetworkVolume": {"name": "weights", "size": 50, "dataCenter": "EU-RO-1"},
    "Template": {"name": "base", "image": "i"},
    "Registry": {"name": "ghcr", "username": "someone", "password": "else"},
}


def program(kind: str, **changes: Any) -> dict[str, Any]:
    return PROGRAMS[kind] | FORCED.get(kind, {}) | changes


async def listed(world: World, kind: str) -> list[dict[str, Any]]:
    return await world.all(COLLECTIONS[kind])


@pytest.mark.parametrize("kind", KINDS)
async def test_made_the_same_and_removed(world: World, kind: str) -> None:
    name = f"{kind}/mine"
    assert await world.engine.up(name, program(kind)) == "create"
    (raw,) = await listed(world, kind)
    assert world.engine.state[name].id == raw["id"]
    assert "pl-" in json.dumps(raw)
    assert "pl-" not in str(world.engine.state[name].plain["name"])
    requests = len(world.requests)
    assert await world.engine.up(name, program(kind)) == "same"
    assert len(world.requests) == requests
    await world.engine.destroy(name)
    assert await listed(world, kind) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_preview_touches_nothing(world: World, kind: str) -> None:
    shown = await world.engine.preview(f"{kind}/mine", program(kind))
    assert shown["name"] == PROGRAMS[kind]["name"]
    assert world.requests == []


@pytest.mark.parametrize("fault", ["lost_answer", "drop_before", "server_error"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_create_whose_answer_is_lost_leaves_exactly_one(world: World, kind: str, fault: str) -> None:
    path = f"/v2/{COLLECTIONS[kind]}"
    world.strike(bad={"kind": fault, "path": path, "methods": ["POST"], "times": 1})
    assert await world.engine.up(f"{kind}/mine", program(kind)) == "create"
    (raw,) = await listed(world, kind)
    assert world.engine.state[f"{kind}/mine"].id == raw["id"]


@pytest.mark.parametrize("journal", ["kept", "lost"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_killed_in_a_create_leaves_one_of_each(
    world: World, kind: str, journal: str
) -> None:
    name = f"{kind}/mine"
    await world.engine.up(name, program(kind))
    world.engine.state.clear()
    if journal == "lost":
        shutil.rmtree(world.root / ".pilotlight")
    await world.restart()
    assert await world.engine.up(name, program(kind)) == "create"
    (raw,) = await listed(world, kind)
    assert world.engine.state[name].id == raw["id"]
    assert await world.engine.up(name, program(kind)) == "same"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replacement_makes_another_and_removes_the_old(world: World, kind: str) -> None:
    unnamed = {key: value for key, value in program(kind).items() if key != "name"}
    name = f"{kind}/mine"
    await world.engine.up(name, unnamed)
    before = world.engine.state[name].id
    after = await world.engine.replace(name, unnamed)
    assert after != before
    assert [raw["id"] for raw in await listed(world, kind)] == [after]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_replacement_is_swept_up(world: World, kind: str) -> None:
    unnamed = {key: value for key, value in program(kind).items() if key != "name"}
    name = f"{kind}/mine"
    await world.engine.up(name, unnamed)
    await world.restart()
    old = world.engine.state[name]
    await world.engine.diff(name, await world.engine.check(name, unnamed))
    fresh = dict(world.engine.state)
    del world.engine.state[name]
    await world.engine.up(name, unnamed)
    assert len(await listed(world, kind)) == 2
    world.engine.state = fresh
    await world.restart()
    assert await world.engine.up(name, unnamed) == "update"
    assert [raw["id"] for raw in await listed(world, kind)] == [old.id]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_one_of_that_name_is_left_alone(world: World, kind: str) -> None:
    foreign = await world.call("POST", f"/v2/{COLLECTIONS[kind]}", SHAPES[kind])
    with pytest.raises(Failed) as caught:
        await world.engine.up(f"{kind}/mine", program(kind))
    assert f"pulumi import pilotlight-runpod:index:{kind} mine {foreign['id']}" in str(caught.value)
    assert [raw["id"] for raw in await listed(world, kind)] == [foreign["id"]]
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_two_stacks_in_one_account_do_not_take_each_other_s(world: World, kind: str) -> None:
    unnamed = {key: value for key, value in program(kind).items() if key != "name"}
    await world.engine.up(f"{kind}/mine", unnamed)
    first = world.engine.state.pop(f"{kind}/mine").id
    shutil.rmtree(world.root / ".pilotlight")
    world.stored = {}
    await world.restart()
    assert await world.engine.up(f"{kind}/mine", unnamed) == "create"
    assert world.engine.state[f"{kind}/mine"].id != first
    assert len(await listed(world, kind)) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_after_an_import_the_next_preview_is_empty(world: World, kind: str) -> None:
    made = await world.call("POST", f"/v2/{COLLECTIONS[kind]}", SHAPES[kind])
    imported = await world.engine.adopt(f"{kind}/mine", made["id"])
    assert imported.inputs["name"] == SHAPES[kind]["name"]
    wanted = program(kind)
    if "image" in SHAPES[kind]:
        wanted = wanted | {"image": "i"}
    assert await world.engine.up(f"{kind}/mine", wanted) == "same"
    # What the import wrote down is a program too, but for what RunPod never returns.
    written = {key: value for key, value in imported.inputs.items() if not key.startswith("__")}
    for computed in ("storage", "hasVolume"):
        written.pop(computed, None)
    if kind != "Registry":
        found = await world.engine.diff(f"{kind}/mine", await world.engine.check(f"{kind}/mine", written))
        assert not found.changed, found.fields


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_gone_is_gone_at_refresh_and_deleting_it_is_success(
    world: World, kind: str
) -> None:
    name = f"{kind}/mine"
    await world.engine.up(name, program(kind))
    await world.call("DELETE", f"/v2/{COLLECTIONS[kind]}/{world.engine.state[name].id}")
    await world.restart()
    kept = world.engine.state[name]
    assert await world.engine.refresh(name) is None
    world.engine.state[name] = kept
    await world.engine.destroy(name)


@pytest.mark.parametrize("kind", KINDS)
async def test_names_with_quotes_and_unicode_come_back_as_they_are(world: World, kind: str) -> None:
    odd = 'wéights "two" \\ {{ x }} 模型 a'
    await world.engine.up(f"{kind}/mine", program(kind, name=odd))
    await world.restart()
    entry = await world.engine.refresh(f"{kind}/mine")
    assert entry is not None
    assert entry.plain["name"] == odd
    assert await world.engine.up(f"{kind}/mine", program(kind, name=odd)) == "same"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refresh_of_many_is_one_request(world: World, kind: str) -> None:
    import asyncio

    names = [f"{kind}/n{n}" for n in range(20)]
    await asyncio.gather(
        *(world.engine.up(name, program(kind, name=name.replace("/", "-"))) for name in names)
    )
    await world.restart()
    world.requests.clear()
    await asyncio.gather(*(world.engine.refresh(name) for name in names))
    assert world.requests == [f"GET /v2/{COLLECTIONS[kind]}"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_storm_of_429s_is_sat_out(world: World, kind: str) -> None:
    world.strike(storm={"kind": "rate_limit", "times": 3, "seconds": 5})
    assert await world.engine.up(f"{kind}/mine", program(kind)) == "create"
    assert len(await listed(world, kind)) == 1
    assert sum(world.clock.slept) >= 5
