"""Things that happen at once: nothing is left over, lost, or made of what has gone."""

import asyncio
from typing import Any

import pytest

from tests.localcloud.rest.fakes import QUEUE, Cloud

pytestmark = pytest.mark.anyio

VOLUME = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
CREDENTIAL = {"name": "r", "username": "u", "password": "p"}
POD = {"name": "p", "image": "i", "gpu": {"id": "NVIDIA L4"}}
CLUSTER = {
    "name": "c",
    "type": "TRAINING",
    "image": "i",
    "compute": {"gpuTypeId": "NVIDIA L4", "gpuCountPerPod": 1, "podCount": 3},
}


async def begun(cloud: Cloud, method: str, path: str, body: Any = None) -> "asyncio.Task[tuple[int, Any]]":
    """A request that has reached the cloud and is held there."""
    task = asyncio.create_task(cloud.call(method, path, body))
    for _ in range(3):
        await cloud.call("GET", "/v2/serverless")
    assert not task.done()
    return task


@pytest.mark.parametrize(
    ("collection", "thing", "field"),
    [("network-volumes", VOLUME, "networkVolumes"), ("registries", CREDENTIAL, "registry")],
)
async def test_what_goes_while_an_image_is_looked_for(
    cloud: Cloud, collection: str, thing: dict[str, Any], field: str
) -> None:
    _, made = await cloud.call("POST", f"/v2/{collection}", thing)
    own = await cloud.make()
    cloud.images.hold = asyncio.Event()
    reference = {field: [made["id"]] if field == "networkVolumes" else made["id"]}
    create = await begun(cloud, "POST", "/v2/serverless", QUEUE | reference)
    patch = await begun(cloud, "PATCH", f"/v2/serverless/{own['id']}", {"image": "other"} | reference)
    assert (await cloud.call("DELETE", f"/v2/{collection}/{made['id']}"))[0] == 204
    cloud.images.hold.set()
    for task in (create, patch):
        status, problem = await task
        assert status == 400
        assert "does not exist" in problem["detail"]
    assert await cloud.call("GET", "/v2/serverless") == (200, {"endpoints": [own]})


async def test_a_pod_that_is_deleted_while_it_is_made_costs_nothing_afterwards(cloud: Cloud) -> None:
    cloud.pods.hold = asyncio.Event()
    create = await begun(cloud, "POST", "/v2/pods", POD)
    (pod,) = (await cloud.call("GET", "/v2/pods"))[1]["pods"]
    delete = await begun(cloud, "DELETE", f"/v2/pods/{pod['id']}")
    cloud.pods.hold.set()
    assert ((await create)[0], (await delete)[0]) == (201, 204)
    assert cloud.pods.records == {}
    assert cloud.service.ledger.rates("pod", pod["id"]) == {}


async def test_a_cluster_that_is_deleted_while_it_is_made_leaves_no_member(cloud: Cloud) -> None:
    cloud.pods.hold = asyncio.Event()
    create = await begun(cloud, "POST", "/v2/clusters", CLUSTER)
    (cluster,) = (await cloud.call("GET", "/v2/clusters"))[1]["clusters"]
    delete = await begun(cloud, "DELETE", f"/v2/clusters/{cluster['id']}")
    cloud.pods.hold.set()
    assert ((await create)[0], (await delete)[0]) == (201, 204)
    assert await cloud.call("GET", "/v2/pods?includeClusterPods=true") == (200, {"pods": []})
    assert cloud.pods.records == {}
    assert cloud.service.ledger.rates("cluster", cluster["id"]) == {}


async def test_a_registry_that_goes_does_not_undo_a_patch(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", "/v2/registries", CREDENTIAL)
    first, second = await cloud.make(registry=made["id"]), await cloud.make(registry=made["id"])
    cloud.fleet.hold = asyncio.Event()
    delete = await begun(cloud, "DELETE", f"/v2/registries/{made['id']}")
    patch = await begun(cloud, "PATCH", f"/v2/serverless/{second['id']}", {"name": "patched"})
    cloud.fleet.hold.set()
    assert ((await delete)[0], (await patch)[0]) == (204, 200)
    listed = (await cloud.call("GET", "/v2/serverless"))[1]["endpoints"]
    assert [(row["id"], row["name"], row["registry"]) for row in listed] == [
        (first["id"], "search", None),
        (second["id"], "patched", None),
    ]
    assert cloud.fleet.applied[-1].registry is None
