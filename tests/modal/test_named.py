"""What is found by name alone: made, kept, taken up after a kill, never taken from someone else."""

from typing import Any

import pytest

from infra.localcloud.modal.world import USER
from tests.modal.engine import Failed, Refused
from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio

KINDS = ["Volume", "Dict", "Queue", "NetworkFileSystem"]


async def create_elsewhere(world: World, kind: str, name: str, environment: str = "main") -> str:
    """As someone with another tool; the object's id."""
    await world.client_ready()
    api, given = (
        getattr(world.client.api, kind),
        {"environment_name": environment, "client": world.client.handle},
    )
    if kind == "NetworkFileSystem":
        return str(await api.create_deployed.aio(name, **given))
    await api.objects.create.aio(name, **given)
    handle = api.from_name(name, **given)
    await handle.hydrate.aio()
    return str(handle.object_id)


async def there(world: World, kind: str, name: str, environment: str = "main") -> str | None:
    """The id of what has that name."""
    await world.client_ready()
    handle = getattr(world.client.api, kind).from_name(
        name, environment_name=environment, client=world.client.handle
    )
    try:
        await handle.hydrate.aio()
    except world.client.api.exception.NotFoundError:
        return None
    return str(handle.object_id)


@pytest.mark.parametrize("kind", KINDS)
async def test_create_same_destroy(world: World, kind: str) -> None:
    key = f"{kind}/mine"
    assert await world.engine.up(key, {"name": "mine"}) == "create"
    state = world.engine.state[key]
    assert state.id == await there(world, kind, "mine")
    assert state.plain["environment"] == "main"
    assert kind == "NetworkFileSystem" or state.plain["createdBy"] == USER
    assert await world.engine.up(key, {"name": "mine"}) == "same"
    assert (await world.engine.refresh(key)).outputs == state.outputs  # type: ignore[union-attr]
    await world.engine.destroy(key)
    assert await there(world, kind, "mine") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_preview_touches_nothing(world: World, kind: str) -> None:
    shown = await world.engine.preview(f"{kind}/mine", {"name": "mine"})
    assert shown["name"] == "mine"
    assert world.calls == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_one_is_left_alone_and_can_be_imported(world: World, kind: str) -> None:
    id = await create_elsewhere(world, kind, "mine")
    with pytest.raises(Failed) as caught:
        await world.engine.up(f"{kind}/mine", {"name": "mine"})
    assert f"pulumi import pilotlight-modal:index:{kind} mine {id}" in str(caught.value)
    assert await there(world, kind, "mine") == id
    imported = await world.engine.adopt(f"{kind}/mine", id)
    assert (imported.plain["name"], imported.plain["environment"]) == ("mine", "main")
    assert await world.engine.up(f"{kind}/mine", {"name": "mine"}) == "same"


@pytest.mark.parametrize("kind", [*KINDS, "Secret", "App"])
async def test_an_import_by_name_is_told_the_id(world: World, kind: str) -> None:
    given = {"Secret": {"name": "mine", "values": {"A": "b"}}, "App": SEARCH | {"name": "mine"}}
    await world.engine.up(f"{kind}/mine", given.get(kind, {"name": "mine"}))
    id = world.engine.state[f"{kind}/mine"].id
    with pytest.raises(Failed, match=f"'mine' is no .*'s id in Modal(.|\n)*has the id {id}"):
        await world.engine.adopt(f"{kind}/again", "mine")
    for other in ("other", "a b"):
        with pytest.raises(Failed, match=f"'{other}' is no .*'s id in Modal") as caught:
            await world.engine.adopt(f"{kind}/again", other)
        assert "has the id" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_creation_is_taken_up(world: World, kind: str) -> None:
    await world.engine.up(f"{kind}/mine", {"name": "mine"})
    id = world.engine.state.pop(f"{kind}/mine").id
    for path in (world.root / ".pilotlight" / "journal").glob("*"):
        path.unlink()
    await world.restart()
    assert await world.engine.up(f"{kind}/mine", {"name": "mine"}) == "create"
    assert world.engine.state[f"{kind}/mine"].id == id


@pytest.mark.parametrize("kind", KINDS)
async def test_one_of_another_environment_is_found_there(world: World, kind: str) -> None:
    await world.engine.up("Environment/eu", {"name": "eu"})
    id = await create_elsewhere(world, kind, "mine", "eu")
    assert await world.engine.up(f"{kind}/ours", {"name": "mine"}) == "create"
    imported = await world.engine.adopt(f"{kind}/theirs", id)
    assert imported.plain["environment"] == "eu"
    other: dict[str, Any] = {"name": "other", "environment": "eu"}
    assert await world.engine.up(f"{kind}/ours", other) == "replace"
    assert await there(world, kind, "mine") is None
    assert await there(world, kind, "mine", "eu") == id


@pytest.mark.parametrize("kind", KINDS)
async def test_one_deleted_elsewhere_is_gone(world: World, kind: str) -> None:
    await world.engine.up(f"{kind}/mine", {"name": "mine"})
    api = getattr(world.client.api, kind)
    delete = api.delete if kind == "NetworkFileSystem" else api.objects.delete
    await delete.aio("mine", environment_name="main", client=world.client.handle)
    entry = world.engine.state[f"{kind}/mine"]
    assert await world.engine.refresh(f"{kind}/mine") is None
    world.engine.state[f"{kind}/mine"] = entry
    await world.engine.destroy(f"{kind}/mine")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bad_name_is_refused(world: World, kind: str) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.up(f"{kind}/mine", {"name": "a b"})
    assert "no name in Modal" in caught.value.failures["name"]


async def test_a_network_file_system_warns_and_names_its_successor(world: World) -> None:
    await world.engine.up("NetworkFileSystem/old", {"name": "old"})
    assert any("pilotlight-modal:index:Volume" in text for text in world.link.warned)
