"""Create, read, update, delete: defaults, values read back, and what reaches the fleet."""

import asyncio
from typing import Any

import pytest

from infra.localcloud.runpod.model import EndpointRecord, ScalerType
from infra.localcloud.runpod.rest import COLLECTIONS, RestService
from infra.localcloud.runpod.rest.bodies import read_update
from tests.localcloud.rest.fakes import BALANCER, CPU, KEY, QUEUE, Cloud, FakeFleet

pytestmark = pytest.mark.anyio


async def test_create_fills_in_the_defaults(cloud: Cloud) -> None:
    status, made = await cloud.call("POST", "/v2/serverless", QUEUE)
    assert status == 201
    id = made.pop("id")
    base = f"http://127.0.0.1:1/v2/{id}"
    assert made == {
        "name": "search",
        "type": "QUEUE",
        "image": QUEUE["image"],
        "args": "",
        "disk": 20,
        "ports": [],
        "env": {},
        "registry": None,
        "gpu": {"pools": ["AMPERE_24"], "count": 1, "allowedCudaVersions": [], "minCudaVersion": None},
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "dataCenterIds": [],
        "networkVolumes": [],
        "timeout": 0,
        "flashboot": "OFF",
        "createdAt": "2027-01-15T08:00:00Z",
        "requestUrls": {
            "run": f"{base}/run",
            "runSync": f"{base}/runsync",
            "status": f"{base}/status/{{job_id}}",
            "stream": f"{base}/stream/{{job_id}}",
            "cancel": f"{base}/cancel/{{job_id}}",
            "retry": f"{base}/retry/{{job_id}}",
            "purgeQueue": f"{base}/purge-queue",
            "health": f"{base}/health",
        },
    }


async def test_ids_are_fourteen_lower_alphanumerics_and_no_collection(cloud: Cloud) -> None:
    ids = {(await cloud.make())["id"] for _ in range(5)}
    assert len(ids) == 5
    for id in ids:
        assert len(id) == 14
        assert id.isalnum()
        assert id == id.lower()
    assert not [name for name in COLLECTIONS if len(name) == 14 and name.isalnum()]


async def test_what_is_created_reads_back_and_reaches_the_fleet(cloud: Cloud) -> None:
    given: dict[str, Any] = {
        "image": "registry.pilotlight.internal/x@sha256:2",
        "args": "--fast 'a b'",
        "disk": 7,
        "ports": ["80/http"],
        "env": {"A": "1", "EMPTY": ""},
        "gpu": {
            "pools": ["ADA_48_PRO"],
            "excludedTypes": [" NVIDIA L40"],
            "count": 2,
            "minCudaVersion": "12.1",
        },
        "workers": {"min": 1, "max": 5, "idleTimeout": 60},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.5},
        "dataCenterIds": ["EU-RO-1", "US-KS-2"],
        "timeout": 120000,
        "flashboot": "PRIORITY_FLASHBOOT",
    }
    made = await cloud.make(**given)
    expected = given | {
        "gpu": {
            "pools": ["ADA_48_PRO"],
            "excludedTypes": ["NVIDIA L40"],
            "count": 2,
            "allowedCudaVersions": [],
            "minCudaVersion": "12.1",
        }
    }
    assert {name: made[name] for name in given} == expected
    assert await cloud.call("GET", f"/v2/serverless/{made['id']}") == (200, made)
    assert await cloud.call("GET", "/v2/serverless?name=ignored&page=2") == (200, {"endpoints": [made]})
    assert cloud.fleet.applied == [
        EndpointRecord(
            id=made["id"],
            name="search",
            type="QUEUE",
            version=1,
            image=given["image"],
            args="--fast 'a b'",
            env={"A": "1", "EMPTY": ""},
            scaler=ScalerType.QUEUE_DELAY,
            scaler_value=0.5,
            workers_min=1,
            workers_max=5,
            idle_timeout_s=60,
            timeout_ms=120000,
            flashboot="PRIORITY_FLASHBOOT",
            gpu_pools=("ADA_48_PRO",),
            gpu_count=2,
            data_center_ids=("EU-RO-1", "US-KS-2"),
            excluded_types=("NVIDIA L40",),
            ports=("80/http",),
        )
    ]


async def test_a_cpu_endpoint_has_memory_from_the_catalog_and_no_gpu(cloud: Cloud) -> None:
    cpu = [{"id": "cpu5c", "vcpuCount": 4}, {"id": "cpu3m", "vcpuCount": 2}]
    _, made = await cloud.call("POST", "/v2/serverless", CPU | {"cpu": cpu})
    assert made["cpu"] == [cpu[0] | {"memory": 8}, cpu[1] | {"memory": 16}]
    assert "gpu" not in made
    assert cloud.fleet.applied[0].cpu == tuple(made["cpu"])
    assert cloud.fleet.applied[0].gpu_count == 0


async def test_a_load_balancer_has_its_own_urls(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", "/v2/serverless", BALANCER | {"env": {"HEALTH_CHECK_PATH": "/live"}})
    base = f"http://127.0.0.1:1/lb/{made['id']}"
    assert made["requestUrls"] == {"base": base, "health": f"{base}/live"}
    assert made["workers"]["idleTimeout"] == 10


async def test_idle_timeout_is_left_out_where_it_does_not_apply(cloud: Cloud) -> None:
    by_count = {"type": "REQUEST_COUNT", "requestCount": 2}
    made = await cloud.make(workers={"idleTimeout": 30})
    _, changed = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"scaling": by_count})
    assert changed["workers"] == {"min": 0, "max": 3}
    assert cloud.fleet.applied[-1].scaler is ScalerType.REQUEST_COUNT
    assert cloud.fleet.applied[-1].scaler_value == 2.0
    _, back = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"scaling": QUEUE["scaling"]})
    assert back["workers"] == {"min": 0, "max": 3, "idleTimeout": 30}


UPDATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "other"}, {"name": "other"}),
    ({"workers": {"max": 9}}, {"workers": {"min": 1, "max": 9, "idleTimeout": 20}}),
    ({"env": {"B": "2"}}, {"env": {"B": "2"}}),
    ({"env": {}}, {"env": {}}),
    ({"timeout": 5000}, {"timeout": 5000}),
    ({"dataCenterIds": []}, {"dataCenterIds": []}),
    ({"flashboot": "FLASHBOOT"}, {"flashboot": "FLASHBOOT"}),
    ({"registry": None}, {}),
    ({"disk": 8.0}, {"disk": 8}),
]


@pytest.mark.parametrize(("patch", "changed"), UPDATES)
async def test_update_changes_what_it_names_and_nothing_else(
    cloud: Cloud, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    made = await cloud.make(
        env={"A": "1"}, workers={"min": 1, "max": 4, "idleTimeout": 20}, dataCenterIds=["EU-RO-1"]
    )
    status, updated = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch)
    assert status == 200
    assert updated == made | changed
    assert await cloud.call("GET", f"/v2/serverless/{made['id']}") == (200, updated)


GPU = {"pools": ["ADA_48_PRO"], "count": 2, "allowedCudaVersions": ["12.8"], "minCudaVersion": None}
GPU_UPDATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"count": 4}, {"count": 4, "excludedTypes": ["NVIDIA L40"]}),
    ({"pools": ["ADA_48_PRO"]}, {}),
    (
        {"pools": ["ADA_24", "ADA_48_PRO"], "excludedTypes": ["NVIDIA L40S"]},
        {"excludedTypes": ["NVIDIA L40S"]},
    ),
    ({"allowedCudaVersions": [], "minCudaVersion": "12.4"}, {"excludedTypes": ["NVIDIA L40"]}),
    ({"minCudaVersion": ""}, {"minCudaVersion": None, "excludedTypes": ["NVIDIA L40"]}),
]


@pytest.mark.parametrize(("patch", "changed"), GPU_UPDATES)
async def test_pools_are_one_selection_with_their_exclusions(
    cloud: Cloud, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    gpu = {name: value for name, value in GPU.items() if value is not None}
    made = await cloud.make(gpu=gpu | {"excludedTypes": ["NVIDIA L40"]})
    _, updated = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"gpu": patch})
    assert updated["gpu"] == GPU | patch | changed


async def test_an_update_that_changes_nothing_does_nothing(cloud: Cloud) -> None:
    made = await cloud.make(env={"A": "1"})
    for patch in ({}, {"env": {"A": "1"}}, {"name": "search", "workers": {"max": 3}}):
        assert await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch) == (200, made)
    assert len(cloud.fleet.applied) == 1


async def test_delete_ends_it(cloud: Cloud) -> None:
    made = await cloud.make()
    assert await cloud.call("DELETE", f"/v2/serverless/{made['id']}") == (204, None)
    assert cloud.fleet.removed == [made["id"]]
    for method in ("GET", "DELETE", "PATCH"):
        status, problem = await cloud.call(method, f"/v2/serverless/{made['id']}", {})
        assert (status, problem["detail"]) == (404, "endpoint not found")
    assert await cloud.call("GET", "/v2/serverless") == (200, {"endpoints": []})


async def test_a_create_that_the_fleet_refuses_leaves_nothing(cloud: Cloud) -> None:
    cloud.fleet.fail = RuntimeError("secret inner workings")
    status, problem = await cloud.call("POST", "/v2/serverless", QUEUE)
    assert status == 500
    assert "secret" not in str(problem)
    assert await cloud.call("GET", "/v2/serverless") == (200, {"endpoints": []})
    assert len(cloud.fleet.removed) == 1


async def test_updates_at_once_all_count(cloud: Cloud) -> None:
    made = await cloud.make()
    cloud.images.hold = asyncio.Event()
    patches = (b'{"image": "other"}', b'{"timeout": 1}', b'{"env": {"A": "1"}}')
    calls = [asyncio.ensure_future(cloud.service.update(made["id"], read_update(patch))) for patch in patches]
    await asyncio.wait(calls, timeout=0)
    cloud.images.hold.set()
    await asyncio.gather(*calls)
    now = cloud.service.endpoint(made["id"])
    assert (now["image"], now["timeout"], now["env"]) == ("other", 1, {"A": "1"})
    assert cloud.fleet.applied[-1].version == 3


async def test_a_delete_has_the_last_word(cloud: Cloud) -> None:
    made = await cloud.make()
    cloud.fleet.hold = asyncio.Event()
    first = asyncio.ensure_future(cloud.service.update(made["id"], read_update(b'{"timeout": 5}')))
    delete = asyncio.ensure_future(cloud.service.delete(made["id"]))
    late = asyncio.ensure_future(cloud.service.update(made["id"], read_update(b'{"timeout": 6}')))
    await asyncio.wait([first, delete, late], timeout=0)
    cloud.fleet.hold.set()
    _, _, failure = await asyncio.gather(first, delete, late, return_exceptions=True)
    assert str(failure) == "endpoint not found"
    assert cloud.fleet.history == ["applied", "applied", "removed"]
    assert cloud.store.endpoints() == []


async def test_a_missing_image_of_the_local_registry_is_refused(cloud: Cloud) -> None:
    cloud.images.missing = {"registry.pilotlight.internal/nothing@sha256:0"}
    body = QUEUE | {"image": "registry.pilotlight.internal/nothing@sha256:0"}
    status, problem = await cloud.call("POST", "/v2/serverless", body)
    assert status == 422
    assert "registry.pilotlight.internal/nothing@sha256:0" in problem["detail"]
    made = await cloud.make()
    status, _ = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"image": body["image"]})
    assert status == 422
    cloud.images.missing.add(str(QUEUE["image"]))
    status, _ = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"timeout": 5})
    assert status == 200, "an image that is not changed is not looked up again"


async def test_a_restart_hands_everything_to_the_new_fleet(cloud: Cloud) -> None:
    first, second = await cloud.make(), await cloud.make(name="second")
    await cloud.call("PATCH", f"/v2/serverless/{second['id']}", {"image": "newer"})
    fleet = FakeFleet()
    fleet.fail = RuntimeError("the first one cannot be restored")
    service = RestService(
        cloud.store, fleet, cloud.clock, cloud.settings, KEY, "http://127.0.0.1:9", cloud.images
    )
    await service.restore()
    assert [(record.id, record.version, record.image) for record in fleet.applied] == [
        (second["id"], 2, "newer")
    ]
    assert service.endpoint(first["id"])["name"] == "search"
