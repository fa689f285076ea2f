"""An environment's life; what is in it is not deleted by accident."""

import pytest

from tests.modal.engine import Failed, Refused
from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio


def names(world: World) -> set[str]:
    return {record.name for record in world.modal.environments.values()}


async def test_create_same_change_destroy(world: World) -> None:
    assert await world.engine.up("Environment/eu", {"name": "eu"}) == "create"
    assert world.engine.state["Environment/eu"].id.startswith("en-")
    assert await world.engine.up("Environment/eu", {"name": "eu"}) == "same"
    assert await world.engine.up("Environment/eu", {"name": "eu", "webSuffix": "europe"}) == "update"
    assert world.engine.state["Environment/eu"].plain["webSuffix"] == "europe"
    assert await world.engine.up("Environment/eu", {"name": "europe", "webSuffix": "europe2"}) == "replace"
    assert names(world) == {"main", "europe"}
    await world.engine.destroy("Environment/eu")
    assert names(world) == {"main"}


async def test_one_that_is_not_empty_stays(world: World) -> None:
    await world.engine.up("Environment/eu", {"name": "eu"})
    await world.engine.up("App/search", SEARCH | {"environment": "eu"})
    entry = world.engine.state["Environment/eu"]
    with pytest.raises(Failed, match="still holds 1 apps"):
        await world.engine.destroy("Environment/eu")
    world.engine.state["Environment/eu"] = entry
    await world.engine.up("Environment/eu", {"name": "eu", "forceDestroy": True})
    await world.engine.destroy("Environment/eu")
    assert names(world) == {"main"}


async def test_the_default_one_cannot_be_deleted(world: World) -> None:
    (main,) = world.modal.environments.values()
    await world.engine.adopt("Environment/main", main.environment_id)
    with pytest.raises(Failed, match="cannot be deleted"):
        await world.engine.destroy("Environment/main")


async def test_a_foreign_one_is_left_alone(world: World) -> None:
    with pytest.raises(Failed, match="pulumi import pilotlight-modal:index:Environment main en-"):
        await world.engine.up("Environment/main", {"name": "main"})


async def test_a_bad_name_is_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.up("Environment/eu", {"name": "en-eu"})
    assert "name" in caught.value.failures


async def test_a_killed_creation_is_taken_up(world: World) -> None:
    await world.engine.up("Environment/eu", {"name": "eu"})
    id = world.engine.state.pop("Environment/eu").id
    journal = world.root / ".pilotlight" / "journal"
    for path in journal.glob("*"):
        path.unlink()
    await world.restart()
    assert await world.engine.up("Environment/eu", {"name": "eu"}) == "create"
    assert world.engine.state["Environment/eu"].id == id
