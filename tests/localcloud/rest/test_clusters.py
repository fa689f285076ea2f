"""Clusters: pods of one shape that come and go together."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import Cloud

pytestmark = pytest.mark.anyio

PATH = "/v2/clusters"
CLUSTER: dict[str, Any] = {
    "name": "tune",
    "type": "TRAINING",
    "image": "img:1",
    "env": {"A": "1"},
    "compute": {"gpuTypeId": "NVIDIA H200", "gpuCountPerPod": 8, "podCount": 3},
}


async def test_from_create_to_delete(cloud: Cloud) -> None:
    status, made = await cloud.call("POST", PATH, CLUSTER)
    assert status == 201
    assert (made["compute"], made["pods"]) == (CLUSTER["compute"], {"total": 3, "byStatus": {"RUNNING": 3}})
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, made)
    assert await cloud.call("GET", PATH) == (200, {"clusters": [made]})
    _, listed = await cloud.call("GET", f"{PATH}/{made['id']}/pods")
    members = listed["pods"]
    assert [pod["cluster"]["rank"] for pod in members] == [0, 1, 2]
    assert {pod["dataCenterId"] for pod in members} == {made["dataCenterId"]}
    assert made["primary"]["podId"] == members[0]["id"]
    env = cloud.pods.records[members[1]["id"]].env
    assert (env["NODE_RANK"], env["NUM_NODES"], env["WORLD_SIZE"], env["A"]) == ("1", "3", "24", "1")
    assert await cloud.call("GET", "/v2/pods") == (200, {"pods": []})
    assert len((await cloud.call("GET", "/v2/pods?includeClusterPods=true"))[1]["pods"]) == 3
    assert (await cloud.call("PATCH", f"{PATH}/{made['id']}", {"name": "new"}))[1]["name"] == "new"
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204
    assert cloud.pods.records == {}
    assert (await cloud.call("GET", f"{PATH}/{made['id']}/pods"))[0] == 404


async def test_members_are_managed_through_the_cluster(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", PATH, CLUSTER)
    pod = f"/v2/pods/{made['primary']['podId']}"
    for method, path, body in (
        ("PATCH", pod, {"name": "x"}),
        ("DELETE", pod, None),
        ("POST", f"{pod}/action", {"action": "stop"}),
    ):
        status, problem = await cloud.call(method, path, body)
        assert status == 409
        assert problem["detail"].startswith("Pod belongs to a cluster and cannot be ")
    assert (await cloud.call("GET", pod))[0] == 200


@pytest.mark.parametrize(
    ("kind", "roles"), [("SLURM", "SLURM_CONTROLLER SLURM_COMPUTE"), ("RAY", "RAY_HEAD RAY_WORKER")]
)
async def test_roles(cloud: Cloud, kind: str, roles: str) -> None:
    _, made = await cloud.call("POST", PATH, CLUSTER | {"type": kind})
    _, listed = await cloud.call("GET", f"{PATH}/{made['id']}/pods")
    first, second = roles.split()
    assert [pod["cluster"]["role"] for pod in listed["pods"]] == [first, second, second]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"registry": "r"}, 422, "$: additional properties 'registry' not allowed"),
        ({"compute": CLUSTER["compute"] | {"podCount": 1}}, 422, "$.compute.podCount: minimum: got 1, want 2"),
        ({"compute": CLUSTER["compute"] | {"gpuTypeId": "x"}}, 400, "unknown GPU type 'x'"),
        ({"image": ""}, 400, "image must not be empty"),
        ({"dataCenterIds": ["EU-XX-1"]}, 400, "unknown data center"),
    ],
)  # fmt: skip
async def test_what_is_refused(cloud: Cloud, change: Any, status: int, reason: str) -> None:
    got, problem = await cloud.call("POST", PATH, CLUSTER | change)
    assert got == status
    assert reason in str(problem)
    assert await cloud.call("GET", PATH) == (200, {"clusters": []})
    assert cloud.pods.records == {}


async def test_an_empty_rename_is_refused(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", PATH, CLUSTER)
    assert (await cloud.call("PATCH", f"{PATH}/{made['id']}", {}))[0] == 422
    assert (await cloud.call("PATCH", f"{PATH}/{made['id']}", {"type": "RAY"}))[0] == 422


async def test_a_cluster_that_fails_half_way_leaves_nothing(cloud: Cloud) -> None:
    apply, count = cloud.pods.apply, 0

    async def second_fails(pod: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise RuntimeError("no")
        await apply(pod)

    cloud.pods.apply = second_fails  # type: ignore[method-assign]
    assert (await cloud.call("POST", PATH, CLUSTER))[0] == 500
    assert cloud.pods.records == {}
    assert (await cloud.call("GET", "/v2/pods?includeClusterPods=true"))[1] == {"pods": []}
    assert (await cloud.call("GET", PATH))[1] == {"clusters": []}
