"""What is declared reads back as declared; what someone changes elsewhere shows at the next refresh and is put back."""

from typing import Any

import pytest
from modal_proto import api_pb2

from infra.modal import app_wire
from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio

FULL: dict[str, Any] = {
    "name": "search",
    "source": "search",
    "env": {"MODE": "fast"},
    "tags": {"team": "a"},
    "weights": "s3://models/weights/manifests/sha256-aa.json",
    "classes": {
        "Search": {
            "gpu": ["l4", "A10", "H100:2"],
            "cpu": 0.5,
            "cpuLimit": 2,
            "memoryMib": 512,
            "memoryLimitMib": 2048,
            "minContainers": 1,
            "maxContainers": 4,
            "bufferContainers": 1,
            "scaledownWindowS": 90,
            "timeoutS": 120,
            "startupTimeoutS": 900,
            "maxConcurrentInputs": 8,
            "targetConcurrentInputs": 4,
            "regions": ["eu", "us"],
            "cloud": "aws",
            "nonpreemptible": True,
            "secrets": [{"name": "store", "requiredKeys": ["KEY"]}],
            "retries": {"maxRetries": 3, "initialDelayS": 0.5},
            "memorySnapshot": True,
            "gpuSnapshot": True,
            "ephemeralDiskMib": 524288,
            "volumes": {"/data": {"name": "data", "subPath": "a/b", "readOnly": True}},
            "networkFileSystems": {"/old": "old"},
            "web": {
                "label": "find",
                "requiresProxyAuth": True,
                "customDomains": ["a.example.com", "b.example.com"],
            },
        }
    },
    "functions": {
        "embed": {"entry": "pipeline.py:embed", "memoryLimitMib": 4096, "singleUseContainers": True},
        "rank": {"entry": "pipeline.py:rank", "blockNetwork": True},
        "words": {"entry": "pipeline.py:words"},
        "pairs": {"entry": "pipeline.py:pairs", "batchMaxSize": 4, "batchWaitMs": 20},
        "nightly": {
            "entry": "pipeline.py:nightly",
            "schedule": {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"},
        },
        "often": {"entry": "pipeline.py:nightly", "schedule": {"periodS": 3600}},
        "api": {"entry": "pipeline.py:api", "web": {"kind": "asgi"}},
        "served": {
            "entry": "pipeline.py:api",
            "web": {"kind": "server", "port": 9000, "startupTimeoutS": 20},
        },
        "lookup": {"entry": "pipeline.py:lookup", "web": {"kind": "fastapi", "method": "GET", "docs": True}},
    },
}


async def full(world: World) -> None:
    await world.engine.up("Secret/store", {"name": "store", "values": {"KEY": "v"}})
    await world.engine.up("Volume/data", {"name": "data"})
    await world.engine.up("NetworkFileSystem/old", {"name": "old"})
    await world.engine.up("App/search", FULL)


async def test_everything_reads_back_as_declared(world: World) -> None:
    await full(world)
    before = world.engine.state["App/search"]
    await world.restart()
    after = await world.engine.refresh("App/search")
    assert after is not None
    assert after.outputs == before.outputs
    found = await world.engine.diff("App/search", await world.engine.check("App/search", FULL))
    assert not found.changed, found.fields
    assert set(after.plain["webUrls"]) == {"Search", "api", "served", "lookup"}
    assert "url" not in after.plain


async def test_functions_are_what_they_are_in_the_code(world: World) -> None:
    await full(world)
    kinds = {
        tag: world.function("search", tag).handle.function_type for tag in ("embed", "rank", "words", "pairs")
    }
    generator, function = api_pb2.Function.FUNCTION_TYPE_GENERATOR, api_pb2.Function.FUNCTION_TYPE_FUNCTION
    assert kinds == {"embed": function, "rank": function, "words": generator, "pairs": function}


async def test_after_an_import_the_next_preview_is_empty(world: World) -> None:
    await full(world)
    id = world.engine.state.pop("App/search").id
    await world.engine.adopt("App/again", id)
    found = await world.engine.diff("App/again", await world.engine.check("App/again", FULL))
    assert not found.changed, found.fields
    assert await world.engine.up("App/again", FULL) == "same"


async def test_an_import_of_other_code_shows_that_it_is_other_code(world: World) -> None:
    await full(world)
    id = world.engine.state.pop("App/search").id
    await world.engine.adopt("App/again", id)
    changed = FULL | {"env": {"MODE": "slow"}}
    found = await world.engine.diff("App/again", await world.engine.check("App/again", changed))
    assert set(found.fields) == {"module"}
    assert await world.engine.up("App/again", changed) == "update"
    assert world.versions("search") == 2


async def test_versions_say_what_a_rollback_would_bring_back(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    state = world.engine.state["App/search"]
    assert "rollbackVersion" not in state.plain
    assert state.plain["imageIds"]["Search"].startswith("im-")
    await world.engine.up("App/search", SEARCH | {"env": {"A": "1"}})
    assert world.engine.state["App/search"].plain["rollbackVersion"] == 1
    await world.client.rpc("AppRollback", "roll back", app_id=state.id, version=1)
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    assert entry.plain["rollbackVersion"] == 2
    assert [release["version"] for release in entry.plain["history"]] == [3, 2, 1]


def test_a_version_says_which_commit_it_came_from() -> None:
    answer = api_pb2.AppDeploymentHistoryResponse()
    for version, dirty in ((1, False), (2, True)):
        item = answer.app_deployment_histories.add(version=version, tag=f"pl_{version}")
        item.commit_info.commit_hash, item.commit_info.dirty = "a" * 40, dirty
    answer.app_deployment_histories.add(version=3, tag="pl_2")
    assert [release.commit for release in app_wire.history(answer)] == ["", "a" * 40 + "+", "a" * 40]
    assert app_wire.rollback_version(answer, 3) == 1
    assert app_wire.rollback_version(answer, 1) is None  # the others are newer: staged


@pytest.mark.parametrize(
    ("settings", "shows"),
    [
        ({"min_containers": 3}, "minContainers"),
        ({"max_containers": 9}, "maxContainers"),
        ({"buffer_containers": 2}, "bufferContainers"),
        ({"scaledown_window": 600}, "scaledownWindowS"),
    ],
)
async def test_an_override_of_the_autoscaler_is_drift_and_is_put_back(
    world: World, settings: dict[str, int], shows: str
) -> None:
    await full(world)
    id = world.engine.state["App/search"].plain["functionIds"]["Search"]
    await world.client.rpc("FunctionUpdateSchedulingParams", "scale", function_id=id, settings=settings)
    await world.engine.refresh("App/search")
    found = await world.engine.diff("App/search", await world.engine.check("App/search", FULL))
    assert set(found.fields) == {f"classes.Search.{shows}"}
    world.calls.clear()
    assert await world.engine.up("App/search", FULL) == "update"
    assert "AppPublish" not in world.calls
    (key, _), *_ = settings.items()
    declared = {"min_containers": 1, "max_containers": 4, "buffer_containers": 1, "scaledown_window": 90}
    assert getattr(world.function("search", "Search.*").settings, key) == declared[key]


async def test_a_rollback_elsewhere_is_drift_and_is_put_back(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    first = world.engine.state["App/search"].plain["module"]
    changed = SEARCH | {"env": {"A": "1"}}
    await world.engine.up("App/search", changed)
    id = world.engine.state["App/search"].id
    await world.client.rpc("AppRollback", "roll back", app_id=id, version=1)
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    assert entry.plain["module"] == first
    assert entry.plain["history"][0]["rollbackOf"] == 1
    found = await world.engine.diff("App/search", await world.engine.check("App/search", changed))
    assert "module" in found.fields
    assert await world.engine.up("App/search", changed) == "update"
    assert world.versions("search") == 4
    assert await world.engine.up("App/search", changed) == "same"


async def test_someone_elses_deployment_over_ours_is_drift_and_is_put_back(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    (world.root / "theirs.py").write_text(
        "import modal\napp = modal.App('search')\n\n@app.function(serialized=True, name='other')\ndef other():\n    pass\n"
    )
    theirs: dict[str, Any] = {"__name__": "theirs", "__file__": str(world.root / "theirs.py")}
    exec(compile((world.root / "theirs.py").read_text(), "theirs.py", "exec"), theirs)
    await theirs["app"].deploy.aio(client=world.client.handle, environment_name="main")
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    assert "other" in entry.plain["functions"]
    assert "module" not in entry.plain
    assert await world.engine.up("App/search", SEARCH) == "update"
    assert set(world.app("search").function_ids) == {"Search.*"}
    assert world.app("search").tags["pilotlight.mark"].startswith("pl-")


async def test_tags_changed_elsewhere_are_drift(world: World) -> None:
    await world.engine.up("App/search", SEARCH | {"tags": {"team": "a"}})
    app = world.app("search")
    await world.client.rpc("AppSetTags", "tag", app_id=app.app_id, tags={**app.tags, "team": "b"})
    await world.engine.refresh("App/search")
    wanted = await world.engine.check("App/search", SEARCH | {"tags": {"team": "a"}})
    assert set((await world.engine.diff("App/search", wanted)).fields) == {"tags.team"}


async def test_a_deleted_secret_shows_by_its_id(world: World) -> None:
    await full(world)
    id = world.engine.state["Secret/store"].id
    await world.client.rpc("SecretDelete", "delete", secret_id=id)
    await world.restart()
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    assert entry.plain["classes"]["Search"]["secrets"][0]["name"] == id
