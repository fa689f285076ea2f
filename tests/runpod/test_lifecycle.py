"""An endpoint's life over gRPC against the local RunPod: made, changed, replaced, imported, removed."""

from typing import Any

import pytest

from infra.kit import UNKNOWN
from tests.runpod.engine import Failed, Refused
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

CPU: dict[str, Any] = {k: v for k, v in GPU.items() if k != "gpu"} | {
    "cpu": [{"id": "cpu5c", "vcpuCount": 4}]
}


async def test_create_same_destroy(world: World) -> None:
    assert await world.engine.up("search", GPU) == "create"
    (raw,) = await world.endpoints()
    state = world.engine.state["search"]
    assert state.id == raw["id"]
    assert raw["timeout"] == 300000
    assert raw["env"]["PILOTLIGHT_MARK"].startswith("pl-")
    assert state.plain["requestUrls"] == raw["requestUrls"]
    assert state.plain["url"] == raw["requestUrls"]["runSync"]
    assert state.plain["createdAt"] == raw["createdAt"]
    assert state.plain["env"] == {"MODE": "fast"}
    assert await world.engine.up("search", GPU) == "same"
    await world.engine.destroy("search")
    assert await world.endpoints() == []


async def test_a_create_without_workers_costs_two_requests_and_sameness_none(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.engine.up("search", GPU)
    assert world.requests == ["GET /v2/serverless", "POST /v2/serverless"]


async def test_a_preview_touches_nothing_and_is_honest_about_what_it_cannot_know(world: World) -> None:
    shown = await world.engine.preview("search", GPU | {"image": UNKNOWN})
    assert shown["image"] is UNKNOWN
    assert shown["url"] is UNKNOWN
    assert shown["workers"] == {"min": 0, "max": 3}
    assert world.requests == []
    await world.engine.up("search", GPU)
    world.requests.clear()
    shown = await world.engine.preview("search", GPU | {"timeoutMs": 9000})
    assert shown["url"] == world.engine.state["search"].plain["url"]
    assert world.requests == []


async def test_a_bad_declaration_is_refused_before_anything_is_called(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.engine.up("search", GPU | {"workers": {"min": 2, "max": 1}, "gpu": {"pools": ["L4"]}})
    assert set(caught.value.failures) == {"workers.max", "gpu.pools[0]"}
    assert world.requests == []


@pytest.mark.parametrize(
    ("changes", "patched"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"image": "i2"}, {"image": "i2"}),
        ({"scaling": {"queueDelay": 7}}, {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 7}}),
        (
            {"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}},
            {"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}},
        ),
        ({"workers": {"max": 5, "idleTimeout": 60}}, {"workers": {"min": 0, "max": 5, "idleTimeout": 60}}),
        ({"timeoutMs": 60000}, {"timeout": 60000}),
        ({"args": "--fast"}, {"args": "--fast"}),
        ({"disk": 50}, {"disk": 50}),
        ({"ports": ["8000/http"]}, {"ports": ["8000/http"]}),
        ({"dataCenterIds": ["EU-RO-1"]}, {"dataCenterIds": ["EU-RO-1"]}),
        ({"flashboot": "FLASHBOOT"}, {"flashboot": "FLASHBOOT"}),
    ],
)
async def test_a_change_is_made_in_place_with_one_patch(
    world: World, changes: dict[str, Any], patched: dict[str, Any]
) -> None:
    await world.engine.up("search", GPU)
    (before,) = await world.endpoints()
    world.requests.clear()
    assert await world.engine.up("search", GPU | changes) == "update"
    (after,) = await world.endpoints()
    assert {key: after[key] for key in patched} == patched
    assert {k: v for k, v in after.items() if k not in {*patched, "workers"}} == {
        k: v for k, v in before.items() if k not in {*patched, "workers"}
    }
    assert [r for r in world.requests if not r.startswith("GET")] == [f"PATCH /v2/serverless/{before['id']}"]
    assert await world.engine.up("search", GPU | changes) == "same"


async def test_a_changed_environment_keeps_the_mark(world: World) -> None:
    await world.engine.up("search", GPU)
    (before,) = await world.endpoints()
    await world.engine.up("search", GPU | {"env": {"MODE": "slow"}})
    (after,) = await world.endpoints()
    assert after["env"] == {"MODE": "slow", "PILOTLIGHT_MARK": before["env"]["PILOTLIGHT_MARK"]}


async def test_changing_one_thing_of_the_gpus_keeps_the_exclusions(world: World) -> None:
    gpu = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]}
    await world.engine.up("search", GPU | {"gpu": gpu})
    await world.engine.up("search", GPU | {"gpu": gpu | {"count": 2}})
    (raw,) = await world.endpoints()
    assert (raw["gpu"]["count"], raw["gpu"]["excludedTypes"]) == (2, ["NVIDIA L4"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"minCudaVersion": "12.1"}, {"allowedCudaVersions": ["12.8"]}),
        ({"allowedCudaVersions": ["12.8"]}, {}),
    ],
)
async def test_one_cuda_rule_gives_way_to_the_other(
    world: World, one: dict[str, Any], other: dict[str, Any]
) -> None:
    await world.engine.up("search", GPU | {"gpu": {"pools": ["AMPERE_24"], **one}})
    await world.engine.up("search", GPU | {"gpu": {"pools": ["AMPERE_24"], **other}})
    (raw,) = await world.endpoints()
    assert raw["gpu"]["allowedCudaVersions"] == other.get("allowedCudaVersions", [])
    assert raw["gpu"]["minCudaVersion"] is None


async def test_switching_the_compute_family_replaces(world: World) -> None:
    await world.engine.up("search", GPU)
    (before,) = await world.endpoints()
    assert await world.engine.up("search", CPU) == "replace"
    (after,) = await world.endpoints()
    assert after["id"] != before["id"]
    assert after["cpu"][0]["id"] == "cpu5c"
    assert after["env"]["PILOTLIGHT_MARK"] != before["env"]["PILOTLIGHT_MARK"]
    assert await world.engine.up("search", CPU) == "same"


async def test_intent_alone_makes_no_call(world: World) -> None:
    await world.engine.up("search", GPU | {"intent": {"endpoint": "search", "slo": {"p95_s": 2}}})
    world.requests.clear()
    assert (
        await world.engine.up("search", GPU | {"intent": {"endpoint": "search", "slo": {"p95_s": 1}}})
        == "update"
    )
    assert world.requests == []
    assert world.engine.state["search"].plain["intent"]["slo"] == {"p95_s": 1}
    (raw,) = await world.endpoints()
    assert "intent" not in str(raw)


async def test_a_name_is_made_up_once(world: World) -> None:
    unnamed = {k: v for k, v in GPU.items() if k != "name"}
    await world.engine.up("search", unnamed)
    (raw,) = await world.endpoints()
    assert raw["name"].startswith("search-")
    assert await world.engine.up("search", unnamed) == "same"


@pytest.mark.parametrize(
    "program", [GPU, CPU | {"workers": {"min": 0, "max": 2}, "timeoutMs": 5000, "disk": 20}]
)
async def test_after_an_import_the_next_preview_is_empty(world: World, program: dict[str, Any]) -> None:
    await world.engine.up("original", program)
    id = world.engine.state.pop("original").id
    imported = await world.engine.adopt("search", id)
    assert imported.inputs["name"] == "search"
    found = await world.engine.diff("search", await world.engine.check("search", program))
    assert not found.changed, found.fields
    # What the import wrote down is a program too.
    written = {key: value for key, value in imported.inputs.items() if not key.startswith("__")}
    written.pop("computeFamily", None)
    assert not (await world.engine.diff("search", await world.engine.check("search", written))).changed


async def test_an_endpoint_made_at_the_console_is_imported_without_restarting_its_workers(
    world: World,
) -> None:
    body = {
        "name": "console",
        "type": "QUEUE",
        "image": "i",
        "gpu": {"pools": ["ADA_24"]},
        "scaling": {"type": "REQUEST_COUNT", "requestCount": 3},
        "env": {"A": "b"},
        "timeout": 300000,
    }
    made = await world.call("POST", "/v2/serverless", body)
    program = {
        "name": "console",
        "image": "i",
        "gpu": {"pools": ["ADA_24"]},
        "scaling": {"type": "REQUEST_COUNT", "requestCount": 3},
        "env": {"A": "b"},
    }
    await world.engine.adopt("mine", made["id"])
    assert await world.engine.up("mine", program) == "same"
    assert await world.engine.up("mine", program | {"timeoutMs": 9000}) == "update"
    (raw,) = await world.endpoints()
    assert raw["env"] == {"A": "b"}
    releases = await world.call("GET", f"/v2/serverless/{made['id']}/releases")
    assert len(releases["releases"]) == 1


async def test_importing_what_is_not_there_is_an_error_or_nothing(world: World) -> None:
    with pytest.raises((AssertionError, Failed)):
        await world.engine.adopt("search", "nosuchendpoint")


async def test_a_foreign_endpoint_with_our_name_is_left_alone(world: World) -> None:
    body = {"name": "search", "type": "QUEUE", "image": "i", "gpu": {"pools": ["ADA_24"]}}
    foreign = await world.call(
        "POST", "/v2/serverless", body | {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}
    )
    with pytest.raises(Failed) as caught:
        await world.engine.up("search", GPU)
    assert f"pulumi import pilotlight-runpod:index:Endpoint search {foreign['id']}" in str(caught.value)
    assert [raw["image"] for raw in await world.endpoints()] == ["i"]


async def test_deleting_what_is_gone_is_success(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.call("DELETE", f"/v2/serverless/{world.engine.state['search'].id}")
    await world.engine.destroy("search")


async def test_updating_what_is_gone_says_refresh(world: World) -> None:
    await world.engine.up("search", GPU)
    await world.call("DELETE", f"/v2/serverless/{world.engine.state['search'].id}")
    await world.restart()
    with pytest.raises(Failed, match="pulumi refresh"):
        await world.engine.up("search", GPU | {"timeoutMs": 9000})
