"""A secret: in GraphQL alone, its value never shown, its mark in the description, and what happens when GraphQL is gone."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from infra.localcloud.core.settings import Retired
from tests.runpod.engine import Failed, Refused, secret
from tests.runpod.programs import SECRET, VALUE
from tests.runpod.world import World

pytestmark = pytest.mark.anyio

NAME = "Secret/hf"
MAKE = "mutation ($input: SecretCreateInput!) { secretCreate(input: $input) { id } }"


def value(world: World) -> str | None:
    return world.service.secrets.secret("hf-token")


async def test_made_changed_the_same_and_removed(world: World) -> None:
    assert await world.engine.up(NAME, SECRET) == "create"
    (raw,) = await world.secrets()
    assert raw["description"].startswith("for the hub pl-")
    state = world.engine.state[NAME]
    assert state.plain["description"] == "for the hub"
    assert state.plain["reference"] == "{{ RUNPOD_SECRET_hf-token }}"
    assert value(world) == VALUE
    assert await world.engine.up(NAME, SECRET) == "same"
    changed = SECRET | {"value": secret("another-canary"), "description": ""}
    assert await world.engine.up(NAME, changed) == "update"
    assert value(world) == "another-canary"
    assert [one["id"] for one in await world.secrets()] == [raw["id"]]
    assert await world.engine.up(NAME, changed) == "same"
    await world.engine.destroy(NAME)
    assert await world.secrets() == []


async def test_a_preview_knows_the_reference_and_touches_nothing(world: World) -> None:
    shown = await world.engine.preview(NAME, SECRET)
    assert shown["reference"] == "{{ RUNPOD_SECRET_hf-token }}"
    assert world.requests == []


async def test_another_name_is_another_secret(world: World) -> None:
    await world.engine.up(NAME, SECRET)
    assert await world.engine.up(NAME, SECRET | {"name": "other"}) == "replace"
    (raw,) = await world.secrets()
    assert raw["name"] == "other"


async def test_a_description_changed_at_the_console_is_put_back(world: World) -> None:
    await world.engine.up(NAME, SECRET)
    query = (
        "mutation ($input: SecretDescriptionUpdateInput!) { secretDescriptionUpdate(input: $input) { id } }"
    )
    await world.graph(query, input={"id": world.engine.state[NAME].id, "description": "mine now"})
    await world.restart()
    await world.engine.refresh(NAME)
    assert world.engine.state[NAME].plain["description"] == "mine now"
    assert await world.engine.up(NAME, SECRET) == "update"
    assert (await world.secrets())[0]["description"].startswith("for the hub pl-")


@pytest.mark.parametrize("kind", ["lost_answer", "drop_after", "drop_before", "server_error"])
async def test_a_create_whose_answer_is_lost_leaves_exactly_one(world: World, kind: str) -> None:
    # With a listing of this moment at hand, the next request is the creation itself.
    await world.engine.up("Secret/warm", SECRET | {"name": "warm"})
    await world.engine.refresh("Secret/warm")
    world.strike(bad={"kind": kind, "path": "/graphql", "methods": ["POST"], "times": 1})
    assert await world.engine.up(NAME, SECRET) == "create"
    assert sorted(one["name"] for one in await world.secrets()) == ["hf-token", "warm"]
    assert any("looking whether it was created" in text for text in world.link.said)
    assert value(world) == VALUE


@pytest.mark.parametrize("journal", ["kept", "lost"])
async def test_what_a_killed_run_left_is_adopted_and_its_value_set(world: World, journal: str) -> None:
    await world.engine.up(NAME, SECRET)
    id = world.engine.state.pop(NAME).id
    if journal == "lost":
        shutil.rmtree(world.root / ".pilotlight")
    await world.restart()
    assert await world.engine.up(NAME, SECRET | {"value": secret("second-canary")}) == "create"
    assert world.engine.state[NAME].id == id
    assert value(world) == "second-canary"
    assert len(await world.secrets()) == 1


async def test_one_of_that_name_that_is_not_ours_is_left_alone_and_can_be_imported(world: World) -> None:
    made = await world.graph(MAKE, input={"name": "hf-token", "value": "theirs", "description": "theirs"})
    id = made["secretCreate"]["id"]
    with pytest.raises(Failed) as caught:
        await world.engine.up(NAME, SECRET)
    assert f"pulumi import pilotlight-runpod:index:Secret hf {id}" in str(caught.value)
    assert value(world) == "theirs"
    await world.engine.adopt(NAME, id)
    program = SECRET | {"description": "theirs"}
    assert await world.engine.up(NAME, program) == "same"
    assert await world.engine.up(NAME, program | {"description": "ours"}) == "update"
    assert (await world.secrets())[0]["description"].startswith("ours pl-")


async def test_a_refresh_of_many_is_one_request(world: World) -> None:
    names = [f"Secret/s{n}" for n in range(10)]
    await asyncio.gather(*(world.engine.up(name, SECRET | {"name": name[7:]}) for name in names))
    await world.restart()
    world.requests.clear()
    await asyncio.gather(*(world.engine.refresh(name) for name in names))
    assert world.requests == ["POST /graphql"]


async def test_one_that_is_gone_is_gone(world: World) -> None:
    await world.engine.up(NAME, SECRET)
    kept = world.engine.state[NAME]
    await world.graph("mutation ($id: ID!) { secretDelete(id: $id) }", id=kept.id)
    await world.restart()
    assert await world.engine.refresh(NAME) is None
    world.engine.state[NAME] = kept
    await world.engine.destroy(NAME)


async def test_the_value_is_in_no_state_journal_error_or_word(world: World) -> None:
    await world.engine.up(NAME, SECRET)
    await world.engine.up("Secret/other", SECRET | {"name": "other"})
    await world.restart()
    await world.engine.refresh(NAME)
    world.strike(bad={"kind": "server_error", "path": "/graphql"})
    with pytest.raises(Failed) as caught:
        await world.engine.up("Secret/third", SECRET | {"name": "third"})
    entry = world.engine.state[NAME]
    held = b"".join(path.read_bytes() for path in world.root.rglob("*.jsonl"))
    words = " ".join([*world.link.said, *world.link.warned, str(caught.value)])
    assert VALUE not in json.dumps([entry.inputs, entry.outputs], default=repr) + held.decode() + words


async def test_values_and_names_travel_as_they_are(world: World) -> None:
    odd = 'a "quoted" \\ value {{ x }}\nline 模型'
    await world.engine.up(NAME, SECRET | {"value": secret(odd), "description": odd})
    assert value(world) == odd
    await world.restart()
    await world.engine.refresh(NAME)
    assert world.engine.state[NAME].plain["description"] == odd
    assert await world.engine.up(NAME, SECRET | {"value": secret(odd), "description": odd}) == "same"


async def test_when_graphql_is_retired_the_way_out_is_said(world: World) -> None:
    await world.engine.up(NAME, SECRET)
    world.settings.retired = Retired(graphql=True)
    await world.restart()
    for attempt in (world.engine.refresh(NAME), world.engine.up("Secret/b", SECRET | {"name": "b"})):
        with pytest.raises(Failed) as caught:
            await attempt
        assert "(410)" in str(caught.value)
        assert "make the secret at RunPod's console" in str(caught.value)


async def test_turned_off_nothing_is_asked_and_the_switch_is_named(world: World) -> None:
    world.graphql = False
    await world.restart()
    world.requests.clear()
    with pytest.raises(Failed) as caught:
        await world.engine.up(NAME, SECRET)
    assert "GraphQL API is turned off" in str(caught.value)
    assert "pilotlight-runpod:graphql" in str(caught.value)
    assert world.requests == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "with space"}, "name"),
        ({"name": "a}}b"}, "name"),
        ({"name": ""}, "name"),
        ({"value": ""}, "value"),
        ({"valeu": "x"}, "valeu"),
    ],
)
async def test_a_fault_is_refused_at_its_property(world: World, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.preview(NAME, SECRET | changes)
    assert path in caught.value.failures


async def test_a_wrong_key_is_named(world: World) -> None:
    world.key = "not-the-key-0000"
    await world.restart()
    with pytest.raises(Failed, match="RUNPOD_API_KEY"):
        await world.engine.up(NAME, SECRET)
