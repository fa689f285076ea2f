"""An app's life over gRPC against the local Modal: deployed, changed, replaced, imported, stopped."""

from typing import Any

import pytest

from infra.kit import UNKNOWN
from tests.modal.engine import Failed, Refused
from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio

DEPLOYS = {"AppPublish", "FunctionCreate", "FunctionPrecreate", "AppCreate"}


def search(**changes: Any) -> dict[str, Any]:
    """SEARCH with changes of its class."""
    return SEARCH | {"classes": {"Search": {"web": {}, **changes}}}


async def test_create_same_destroy(world: World) -> None:
    assert await world.engine.up("App/search", SEARCH) == "create"
    app = world.app("search")
    state = world.engine.state["App/search"]
    assert state.id == app.app_id == state.plain["appId"]
    assert app.tags["pilotlight.mark"].startswith("pl-")
    assert app.tags["pilotlight.module"] == state.plain["module"]
    assert state.plain["version"] == 1
    assert state.plain["environment"] == "main"
    assert state.plain["url"] == state.plain["webUrls"]["Search"]
    assert state.plain["history"][0]["module"] == state.plain["module"]
    assert await world.engine.up("App/search", SEARCH) == "same"
    assert world.versions("search") == 1
    modules = world.root / ".pilotlight" / "modal" / "modules"
    assert list(modules.glob("*/*.py"))
    await world.engine.destroy("App/search")
    assert world.app("search") is None
    assert not list(modules.glob("*"))


async def test_a_preview_touches_nothing(world: World) -> None:
    shown = await world.engine.preview("App/search", SEARCH | {"env": {"A": UNKNOWN}})
    assert shown["module"] is UNKNOWN
    assert shown["url"] is UNKNOWN
    assert world.calls == []
    await world.engine.up("App/search", SEARCH)
    world.calls.clear()
    shown = await world.engine.preview("App/search", search(minContainers=1))
    assert shown["url"] == world.engine.state["App/search"].plain["url"]
    assert world.calls == []


async def test_a_bad_declaration_is_refused_before_anything_is_called(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.up("App/search", search(minContainers=3, maxContainers=1, gpu=["GTX"]))
    assert set(caught.value.failures) == {"classes.Search.maxContainers", "classes.Search.gpu[0]"}
    assert world.calls == []


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"minContainers": 2}, "min_containers", 2),
        ({"maxContainers": 5}, "max_containers", 5),
        ({"bufferContainers": 1}, "buffer_containers", 1),
        ({"scaledownWindowS": 120}, "scaledown_window", 120),
    ],
)
async def test_the_autoscaler_changes_without_a_new_version(
    world: World, change: dict[str, Any], field: str, value: int
) -> None:
    await world.engine.up("App/search", SEARCH)
    world.calls.clear()
    assert await world.engine.up("App/search", search(**change)) == "update"
    assert getattr(world.function("search", "Search.*").settings, field) == value
    assert world.versions("search") == 1
    assert not DEPLOYS & set(world.calls)
    assert await world.engine.up("App/search", search(**change)) == "same"


async def test_taking_a_limit_away_takes_it_away(world: World) -> None:
    await world.engine.up("App/search", search(maxContainers=5, minContainers=2))
    assert await world.engine.up("App/search", SEARCH) == "update"
    settings = world.function("search", "Search.*").settings
    assert (settings.min_containers, settings.max_containers) == (0, 0)
    assert "maxContainers" not in world.engine.state["App/search"].plain["classes"]["Search"]
    assert world.versions("search") == 1


async def test_tags_change_without_a_new_version(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    mark = world.app("search").tags["pilotlight.mark"]
    world.calls.clear()
    assert await world.engine.up("App/search", SEARCH | {"tags": {"team": "search"}}) == "update"
    assert world.app("search").tags["team"] == "search"
    assert world.app("search").tags["pilotlight.mark"] == mark
    assert not DEPLOYS & set(world.calls)
    await world.engine.up("App/search", SEARCH)
    assert "team" not in world.app("search").tags


@pytest.mark.parametrize(
    "change",
    [
        {"gpu": ["L4", "A10"]},
        {"timeoutS": 60},
        {"maxConcurrentInputs": 4},
        {"env": {"MODE": "fast"}},
        {"web": {"requiresProxyAuth": True}},
        {"image": {"commands": ["true"]}},
    ],
)
async def test_what_reaches_the_containers_is_a_new_version(world: World, change: dict[str, Any]) -> None:
    await world.engine.up("App/search", SEARCH)
    before = world.engine.state["App/search"]
    assert await world.engine.up("App/search", search(**change)) == "update"
    after = world.engine.state["App/search"]
    assert (after.id, after.plain["version"]) == (before.id, 2)
    assert after.plain["module"] != before.plain["module"]
    assert await world.engine.up("App/search", search(**change)) == "same"


async def test_changed_code_is_a_new_version_and_the_same_code_is_not(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    text = (world.root / "search" / "model.py").read_text()
    world.write("search/model.py", text.replace("hello", "good day"))
    assert await world.engine.up("App/search", SEARCH) == "update"
    assert world.versions("search") == 2
    world.write("search/model.py", text)
    assert await world.engine.up("App/search", SEARCH) == "update"
    modules = [release["module"] for release in world.engine.state["App/search"].plain["history"]]
    assert modules[0] == modules[2] != modules[1]


async def test_a_new_version_keeps_the_declared_autoscaler(world: World) -> None:
    await world.engine.up("App/search", search(minContainers=2, scaledownWindowS=90))
    await world.engine.up("App/search", search(minContainers=2, scaledownWindowS=90, timeoutS=60))
    settings = world.function("search", "Search.*").settings
    assert (settings.min_containers, settings.scaledown_window) == (2, 90)
    await world.engine.up("App/search", search(minContainers=1, scaledownWindowS=90, timeoutS=90))
    assert world.function("search", "Search.*").settings.min_containers == 1
    assert world.versions("search") == 3


async def test_a_new_name_is_a_new_app(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    before = world.engine.state["App/search"].id
    assert await world.engine.up("App/search", SEARCH | {"name": "find"}) == "replace"
    assert world.app("search") is None
    assert world.app("find").app_id == world.engine.state["App/search"].id != before
    assert await world.engine.up("App/search", SEARCH | {"name": "find"}) == "same"


async def test_a_new_environment_is_a_new_app(world: World) -> None:
    await world.engine.up("Environment/eu", {"name": "eu"})
    await world.engine.up("App/search", SEARCH)
    assert await world.engine.up("App/search", SEARCH | {"environment": "eu"}) == "replace"
    assert world.app("search").environment == "eu"


async def test_a_name_is_made_up_once(world: World) -> None:
    unnamed = {key: value for key, value in SEARCH.items() if key != "name"}
    await world.engine.up("App/search", unnamed)
    assert world.engine.state["App/search"].plain["name"].startswith("search-")
    assert await world.engine.up("App/search", unnamed) == "same"


async def test_intent_alone_makes_no_call(world: World) -> None:
    await world.engine.up("App/search", SEARCH | {"intent": {"slo": {"p95_s": 2}}})
    world.calls.clear()
    assert await world.engine.up("App/search", SEARCH | {"intent": {"slo": {"p95_s": 1}}}) == "update"
    assert world.calls == []


async def test_a_foreign_app_with_our_name_is_left_alone(world: World) -> None:
    await world.engine.up("App/other", SEARCH)
    world.engine.state.clear()
    foreign = world.app("search")
    foreign.tags = {"team": "them"}
    await world.restart()
    with pytest.raises(Failed) as caught:
        await world.engine.up("App/search", SEARCH)
    assert f"pulumi import pilotlight-modal:index:App search {foreign.app_id}" in str(caught.value)
    assert world.versions("search") == 1


async def test_importing_our_own_app_deploys_nothing(world: World) -> None:
    await world.engine.up("App/original", search(gpu=["L4"], minContainers=1))
    id = world.engine.state.pop("App/original").id
    imported = await world.engine.adopt("App/search", id)
    assert imported.inputs["name"] == "search"
    world.calls.clear()
    await world.engine.up("App/search", search(gpu=["L4"], minContainers=1))
    assert not DEPLOYS & set(world.calls)
    assert await world.engine.up("App/search", search(gpu=["L4"], minContainers=1)) == "same"
    assert world.versions("search") == 1


async def test_an_app_stopped_elsewhere_is_gone_at_refresh(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    await world.client.rpc("AppStop", "stop it", app_id=world.engine.state["App/search"].id)
    assert await world.engine.refresh("App/search") is None
    assert await world.engine.up("App/search", SEARCH) == "create"


async def test_stopping_what_is_stopped_is_success(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    await world.client.rpc("AppStop", "stop it", app_id=world.engine.state["App/search"].id)
    await world.engine.destroy("App/search")


async def test_updating_what_is_stopped_says_refresh(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    await world.client.rpc("AppStop", "stop it", app_id=world.engine.state["App/search"].id)
    with pytest.raises(Failed, match="pulumi refresh"):
        await world.engine.up("App/search", search(timeoutS=60))
