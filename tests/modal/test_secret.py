"""A secret's life: values go in and never come back, keys show what they can, the mark is among them."""

from typing import Any

import pytest

from infra.modal.secret import MARK_KEY
from tests.modal.engine import Failed, Refused
from tests.modal.world import World

pytestmark = pytest.mark.anyio

STORE: dict[str, Any] = {"name": "store", "values": {"KEY": "one", "ID": "two"}, "requiredKeys": ["KEY"]}


def values(world: World) -> dict[str, str]:
    (record,) = world.modal.secret_records.values()
    return {key: value for key, value in record.values.items() if not key.startswith(MARK_KEY)}


async def test_create_same_change_destroy(world: World) -> None:
    assert await world.engine.up("Secret/store", STORE) == "create"
    state = world.engine.state["Secret/store"]
    assert state.id.startswith("st-")
    assert state.plain["keys"] == ["ID", "KEY"]
    assert state.plain["environment"] == "main"
    assert values(world) == {"KEY": "one", "ID": "two"}
    assert await world.engine.up("Secret/store", STORE) == "same"
    changed = STORE | {"values": {"KEY": "three", "NEW": "four"}}
    assert await world.engine.up("Secret/store", changed) == "update"
    assert values(world) == {"KEY": "three", "NEW": "four"}
    assert world.engine.state["Secret/store"].id == state.id
    await world.engine.destroy("Secret/store")
    assert not list(world.modal.secret_records.values())


async def test_a_required_key_must_be_among_the_values(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.up("Secret/store", STORE | {"requiredKeys": ["KEY", "TOKEN"]})
    assert "values lacks TOKEN" in caught.value.failures["requiredKeys"]
    assert world.calls == []


async def test_a_key_that_comes_or_goes_elsewhere_is_drift(world: World) -> None:
    await world.engine.up("Secret/store", STORE)
    id = world.engine.state["Secret/store"].id
    updates = [{"key": "EXTRA", "value": "x"}, {"key": "ID"}]
    await world.client.rpc("SecretUpdate", "change", secret_id=id, updates=updates)
    entry = await world.engine.refresh("Secret/store")
    assert entry is not None
    assert entry.plain["keys"] == ["EXTRA", "KEY"]
    assert await world.engine.up("Secret/store", STORE) == "update"
    assert values(world) == {"KEY": "one", "ID": "two"}


async def test_a_killed_creation_is_taken_up_on_another_machine_too(world: World) -> None:
    await world.engine.up("Secret/store", STORE)
    id = world.engine.state.pop("Secret/store").id
    import shutil

    shutil.rmtree(world.root / ".pilotlight")
    await world.restart()
    assert await world.engine.up("Secret/store", STORE) == "create"
    assert world.engine.state["Secret/store"].id == id


async def test_a_foreign_secret_of_that_name_is_left_alone(world: World) -> None:
    await world.client_ready()
    await world.client.api.Secret.objects.create.aio("store", {"A": "b"}, client=world.client.handle)
    (record,) = world.modal.secret_records.values()
    with pytest.raises(Failed) as caught:
        await world.engine.up("Secret/store", STORE)
    assert f"pulumi import pilotlight-modal:index:Secret store {record.secret_id}" in str(caught.value)
    assert record.values == {"A": "b"}
    imported = await world.engine.adopt("Secret/store", record.secret_id)
    assert imported.plain["keys"] == ["A"]
    assert imported.plain["environment"] == "main"
    assert await world.engine.up("Secret/store", STORE) == "update"
    assert values(world) == {"KEY": "one", "ID": "two"}


async def test_a_secret_deleted_elsewhere_is_gone(world: World) -> None:
    await world.engine.up("Secret/store", STORE)
    await world.client.rpc("SecretDelete", "delete", secret_id=world.engine.state["Secret/store"].id)
    assert await world.engine.refresh("Secret/store") is None
    assert await world.engine.up("Secret/store", STORE) == "create"
    await world.client.rpc("SecretDelete", "delete", secret_id=world.engine.state["Secret/store"].id)
    await world.engine.destroy("Secret/store")
