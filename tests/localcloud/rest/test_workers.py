"""Workers, releases and the rollout."""

from typing import Any

import pytest

from infra.localcloud.runpod.model import WorkerStatus
from tests.localcloud.rest.fakes import Cloud, worker

pytestmark = pytest.mark.anyio


async def test_workers_and_their_summary(cloud: Cloud) -> None:
    made = await cloud.make(env={"A": "1"})
    await cloud.call("PATCH", f"/v2/serverless/{made['id']}", {"env": {"A": "2"}})
    cloud.staff(
        made["id"],
        worker("old", WorkerStatus.RUNNING, version=1),
        worker("new", WorkerStatus.IDLE, version=2, gpu_type_id=None, gpu_count=0),
        worker("waits", WorkerStatus.THROTTLED, version=2),
    )
    status, listed = await cloud.call("GET", f"/v2/serverless/{made['id']}/workers")
    assert status == 200
    assert listed["endpointVersion"] == 2
    assert listed["summary"] == {
        "running": 1,
        "idle": 1,
        "initializing": 0,
        "throttled": 1,
        "unhealthy": 0,
        "total": 3,
    }
    assert listed["workers"][0] == {
        "id": "old",
        "status": "RUNNING",
        "isStale": True,
        "version": 1,
        "gpuCount": 1,
        "image": "image",
        "uptimeSeconds": 12,
        "gpuTypeId": "NVIDIA L4",
        "dataCenterId": "EU-RO-1",
        "startedAt": "2027-01-15T08:00:00Z",
    }
    assert listed["workers"][1]["isStale"] is False
    assert listed["workers"][1]["gpuTypeId"] is None
    nowhere = {
        name: listed["workers"][2][name]
        for name in ("uptimeSeconds", "gpuTypeId", "dataCenterId", "startedAt")
    }
    assert set(nowhere.values()) == {None}


async def test_no_workers(cloud: Cloud) -> None:
    made = await cloud.make()
    _, listed = await cloud.call("GET", f"/v2/serverless/{made['id']}/workers")
    assert (listed["workers"], listed["summary"]["total"]) == ([], 0)
    _, releases = await cloud.call("GET", f"/v2/serverless/{made['id']}/releases")
    assert releases["rollout"] == {
        "inProgress": False,
        "workersOnLatest": 0,
        "workersTotal": 0,
        "percentOnLatest": 0,
    }


RELEASING: list[tuple[dict[str, Any], list[tuple[str, Any, Any]]]] = [
    ({"image": "newer"}, [("template.imageName", "registry.pilotlight.internal/search@sha256:1", "newer")]),
    ({"args": "--x"}, [("template.dockerArgs", "", "--x")]),
    ({"disk": 30}, [("template.containerDiskInGb", 20, 30)]),
    ({"ports": ["80/http"]}, [("template.ports", [], ["80/http"])]),
    (
        {"env": {"A": "1"}, "image": "newer", "timeout": 9},
        [
            ("template.imageName", "registry.pilotlight.internal/search@sha256:1", "newer"),
            ("template.env", {}, {"A": "1"}),
        ],
    ),
]


@pytest.mark.parametrize(("patch", "diff"), RELEASING)
async def test_a_container_change_makes_a_release(
    cloud: Cloud, patch: dict[str, Any], diff: list[tuple[str, Any, Any]]
) -> None:
    made = await cloud.make()
    await cloud.clock.advance(60)
    await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch)
    cloud.staff(made["id"], worker("a"), worker("b"), worker("c", version=2))
    _, listed = await cloud.call("GET", f"/v2/serverless/{made['id']}/releases")
    assert listed["endpointVersion"] == 2
    assert listed["rollout"] == {
        "inProgress": True,
        "workersOnLatest": 1,
        "workersTotal": 3,
        "percentOnLatest": 33,
    }
    newest, first = listed["releases"]
    assert len(newest.pop("id")) == 14
    assert newest == {
        "version": 2,
        "source": "MANUAL",
        "buildId": None,
        "createdByUserId": None,
        "workerCount": 1,
        "createdAt": "2027-01-15T08:01:00Z",
        "diff": [{"field": field, "old": old, "new": new} for field, old, new in diff],
    }
    assert (first["version"], first["diff"], first["workerCount"]) == (1, [], 2)
    assert cloud.fleet.applied[-1].version == 2


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"name": "other"},
        {"workers": {"min": 1}},
        {"timeout": 5},
        {"scaling": {"type": "REQUEST_COUNT", "requestCount": 1}},
        {"flashboot": "FLASHBOOT"},
        {"gpu": {"count": 2}},
        {"dataCenterIds": ["EU-RO-1"]},
        {"image": "registry.pilotlight.internal/search@sha256:1"},
    ],
)
async def test_other_changes_make_none(cloud: Cloud, patch: dict[str, Any]) -> None:
    made = await cloud.make()
    await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch)
    _, listed = await cloud.call("GET", f"/v2/serverless/{made['id']}/releases")
    assert (listed["endpointVersion"], len(listed["releases"])) == (1, 1)


@pytest.mark.parametrize("below", ["workers", "releases", "workers/w/logs"])
async def test_nothing_below_an_unknown_endpoint(cloud: Cloud, below: str) -> None:
    status, problem = await cloud.call("GET", f"/v2/serverless/abcdefghijklmn/{below}")
    assert (status, problem["detail"]) == (404, "endpoint not found")
