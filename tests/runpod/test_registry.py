"""A registry credential: never changed, always made anew, and moved to before the old one goes."""

import json
from typing import Any

import pytest

from tests.runpod.engine import Failed, Refused, secret
from tests.runpod.programs import PASSWORD, POD, REGISTRY
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio


async def registries(world: World) -> list[dict[str, Any]]:
    return await world.all("registries")


@pytest.mark.parametrize(
    "change", [{"password": secret("other-canary")}, {"username": "else"}, {"name": "b"}]
)
async def test_every_change_makes_another(world: World, change: dict[str, Any]) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    (before,) = await registries(world)
    assert await world.engine.up("Registry/r", REGISTRY | change) == "replace"
    (after,) = await registries(world)
    assert after["id"] != before["id"]
    assert after["name"] != before["name"]
    assert await world.engine.up("Registry/r", REGISTRY | change) == "same"


async def test_the_new_one_is_there_before_the_old_one_goes(world: World) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    await world.engine.up("Registry/r", REGISTRY | {"password": secret("other-canary")})
    changes = [request.split("/")[0] for request in world.requests if not request.startswith("GET")]
    assert changes == ["POST ", "POST ", "DELETE "]


async def test_what_a_killed_run_left_is_made_anew_because_its_password_is_not_known(world: World) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    (before,) = await registries(world)
    world.engine.state.clear()
    await world.restart()
    await world.engine.up("Registry/r", REGISTRY | {"password": secret("another-canary")})
    (after,) = await registries(world)
    assert after["id"] != before["id"]


async def test_one_that_a_pod_uses_is_not_deleted_and_the_message_says_so(world: World) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    id = world.engine.state["Registry/r"].id
    await world.engine.up("Pod/p", POD | {"registryId": id})
    with pytest.raises(Failed, match="in use by a pod") as caught:
        await world.engine.destroy("Registry/r")
    assert "remove the pods that use it" in str(caught.value)


async def test_a_leftover_that_a_pod_uses_is_taken_over_with_a_warning(world: World) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    id = world.engine.state.pop("Registry/r").id
    await world.call(
        "POST",
        "/v2/pods",
        {"name": "p", "image": "i", "gpu": {"id": "NVIDIA L4", "count": 1}, "registry": id},
    )
    await world.restart()
    await world.engine.up("Registry/r", REGISTRY)
    assert world.engine.state["Registry/r"].id == id
    assert any("its password is taken to be" in text for text in world.link.warned)


async def test_a_password_is_nowhere_in_state_journal_or_words(world: World) -> None:
    await world.engine.up("Registry/r", REGISTRY)
    await world.restart()
    await world.engine.refresh("Registry/r")
    entry = world.engine.state["Registry/r"]
    held = b"".join(path.read_bytes() for path in world.root.rglob("*.jsonl"))
    said = " ".join([*world.link.said, *world.link.warned])
    text = json.dumps([entry.inputs, entry.outputs], default=repr) + held.decode() + said
    assert PASSWORD not in text
    assert entry.plain["password"] == PASSWORD


async def test_an_unknown_credential_of_an_endpoint_is_refused_at_its_property(world: World) -> None:
    with pytest.raises(Failed, match=r"^registryId: .*'nosuch' does not exist"):
        await world.engine.up("search", GPU | {"registryId": "nosuch"})
    with pytest.raises(Failed, match=r"^registryId: "):
        await world.engine.up("Pod/p", POD | {"registryId": "nosuch"})
    with pytest.raises(Failed, match=r"^registryId: "):
        await world.engine.up("Template/t", {"name": "t", "image": "i", "registryId": "nosuch"})


async def test_empty_parts_are_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.preview("Registry/r", {"name": "", "username": "", "password": ""})
    assert set(caught.value.failures) == {"name", "username", "password"}
