"""What a bad day does: lost answers, killed providers, storms, wrong keys. Always exactly one endpoint."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from infra.localcloud.core.settings import RateLimits
from tests.runpod.engine import Failed, secret
from tests.runpod.programs import COLLECTIONS, PROGRAMS
from tests.runpod.world import GPU, KEY, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["lost_answer", "drop_after", "drop_before", "server_error"])
async def test_a_create_whose_answer_is_lost_leaves_exactly_one(world: World, kind: str) -> None:
    world.strike(bad={"kind": kind, "path": "/v2/serverless", "methods": ["POST"], "times": 1})
    assert await world.engine.up("search", GPU) == "create"
    (raw,) = await world.endpoints()
    assert world.engine.state["search"].id == raw["id"]
    assert await world.engine.up("search", GPU) == "same"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["lost_answer", "drop_after", "drop_before", "server_error"])
async def test_everything_else_is_simply_repeated(world: World, kind: str, method: str) -> None:
    await world.engine.up("search", GPU)
    await world.restart()
    world.strike(bad={"kind": kind, "methods": [method], "times": 2})
    await world.engine.refresh("search")
    await world.engine.up("search", GPU | {"timeoutMs": 9000})
    await world.engine.destroy("search")
    world.strike()
    assert await world.endpoints() == []


async def test_a_provider_killed_after_the_create_adopts_what_it_made(world: World) -> None:
    await world.engine.up("search", GPU)
    (raw,) = await world.endpoints()
    world.engine.state.clear()
    await world.restart()
    assert await world.engine.up("search", GPU | {"timeoutMs": 9000}) == "create"
    (found,) = await world.endpoints()
    assert found["id"] == raw["id"] == world.engine.state["search"].id
    assert found["timeout"] == 9000


async def test_another_checkout_with_the_same_names_adopts_nothing(world: World) -> None:
    await world.engine.up("search", GPU)
    (mine,) = await world.endpoints()
    world.engine.state.clear()
    world.stored = {}
    shutil.rmtree(world.root / ".pilotlight" / "journal")  # another checkout has none
    await world.restart()
    with pytest.raises(Failed, match="pulumi import"):
        await world.engine.up("search", GPU)
    assert await world.engine.up("search", GPU | {"name": "search-2"}) == "create"
    assert len(await world.endpoints()) == 2
    assert world.engine.state["search"].id != mine["id"]


async def test_a_rate_limit_makes_a_big_up_slow_and_not_fail(world: World) -> None:
    world.settings.rate_limits = RateLimits(minute=10)
    world.settings.rate_limit = True
    names = [f"e{n}" for n in range(25)]
    await asyncio.gather(*(world.engine.up(name, GPU | {"name": name}) for name in names))
    world.settings.rate_limit = False
    assert sorted(raw["name"] for raw in await world.endpoints()) == sorted(names)
    assert any("rate limit is used up: waiting" in text for text in world.link.said)
    assert len(world.requests) <= 34  # 26 that count, and few that had to be refused


async def test_a_storm_of_429_passes(world: World) -> None:
    world.strike(storm={"kind": "rate_limit", "times": 5, "seconds": 3})
    assert await world.engine.up("search", GPU) == "create"
    assert len(await world.endpoints()) == 1
    assert sum(world.clock.slept) >= 15


async def test_an_endless_storm_is_an_error_that_says_when_to_come_back(world: World) -> None:
    world.strike(storm={"kind": "rate_limit", "seconds": 50})
    with pytest.raises(Failed, match="resets in 50 s"):
        await world.engine.up("search", GPU, timeout=120)
    world.strike()
    assert await world.endpoints() == []


async def test_a_wrong_key_is_named(world: World) -> None:
    world.key = "not-the-key-0000"
    await world.restart()
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", GPU)
    assert "RUNPOD_API_KEY" in str(caught.value)
    assert "401" in str(caught.value)
    assert world.key not in str(caught.value)


async def test_a_missing_image_is_refused_in_runpods_words(world: World) -> None:
    world.images.missing.add("nowhere/none:1")
    with pytest.raises(
        Failed, match=r"create endpoint search \(422\): image 'nowhere/none:1' does not exist"
    ):
        await world.engine.up("search", GPU | {"image": "nowhere/none:1"})
    assert "search" not in world.engine.state


async def test_a_secret_of_the_environment_is_plain_only_on_the_wire(world: World) -> None:
    canary = "canary-5f2c9e"
    program = GPU | {"env": {"TOKEN": secret(canary), "MODE": "fast"}}
    await world.engine.up("search", program)
    (raw,) = await world.endpoints()
    assert raw["env"]["TOKEN"] == canary
    await world.restart()
    await world.engine.refresh("search")
    entry = world.engine.state["search"]
    for tree in (entry.inputs, entry.outputs):
        assert canary not in json.dumps(tree, default=repr)
    assert await world.engine.up("search", program) == "same"
    world.images.missing.add(canary)
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", program | {"image": canary})
    assert canary not in str(caught.value)
    said = " ".join([*world.link.said, *world.link.warned])
    assert canary not in said
    assert KEY not in said + str(caught.value)


async def test_no_file_of_the_checkout_holds_a_secret(world: World) -> None:
    canary = "canary-77aa01"
    program: dict[str, Any] = GPU | {"env": {"TOKEN": secret(canary)}}
    await world.engine.up("search", program)
    journal = world.root / ".pilotlight"
    held = b"".join(path.read_bytes() for path in journal.rglob("*") if path.is_file())
    assert canary.encode() not in held
    assert KEY.encode() not in held


async def test_many_of_each_kind_at_once_stay_within_the_quota(world: World) -> None:
    world.settings.rate_limits = RateLimits(minute=20)
    world.settings.rate_limit = True
    await world.restart()
    programs = {
        f"{kind}/n{n}": PROGRAMS[kind] | {"name": f"{kind}-{n}"} for kind in PROGRAMS for n in range(8)
    }
    await asyncio.gather(*(world.engine.up(name, program) for name, program in programs.items()))
    world.settings.rate_limit = False
    for kind, collection in COLLECTIONS.items():
        made = [world.engine.state[name].id for name in programs if name.startswith(f"{kind}/")]
        assert sorted(raw["id"] for raw in await world.all(collection)) == sorted(made)
    # 32 creations and a few listings at 20 a minute.
    assert sum(world.clock.slept) >= 60
    assert any("rate limit is used up" in text for text in world.link.said)
