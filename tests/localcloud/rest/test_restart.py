"""A daemon that starts again knows all that it knew."""

from typing import Any

import pytest

from infra.localcloud.runpod.rest import RestService
from tests.localcloud.rest.fakes import KEY, QUEUE, Cloud, FakeFleet, FakePods, FakeVolumes

pytestmark = pytest.mark.anyio

CREATES: dict[str, Any] = {
    "/v2/templates": {"name": "t", "image": "i", "mounts": {"persistent": {"size": 10, "path": "/w"}}},
    "/v2/network-volumes": {"name": "v", "size": 10, "dataCenter": "EU-RO-1"},
    "/v2/registries": {"name": "r", "username": "u", "password": "p"},
    "/v2/registries/delegations": {"resource": "arn:aws:ecr:eu-west-1:123456789012:repository/m"},
    "/v2/serverless": QUEUE,
    "/v2/pods": {"name": "p", "image": "i", "gpu": {"id": "NVIDIA L4"}, "startJupyter": True},
    "/v2/clusters": {
        "name": "c",
        "type": "RAY",
        "image": "i",
        "compute": {"gpuTypeId": "NVIDIA L4", "gpuCountPerPod": 1, "podCount": 2},
    },
}
LISTS = (
    *CREATES,
    "/v2/account/ssh-keys",
    "/v2/pods?includeClusterPods=true",
    "/v2/billing/pods",
    "/v2/billing/network-volumes",
    "/v2/billing/clusters",
)


async def everything(cloud: Cloud) -> dict[str, Any]:
    return {path: (await cloud.call("GET", path))[1] for path in LISTS}


async def test_everything_is_kept(cloud: Cloud) -> None:
    cloud.settings.set("rate_limit=false")
    await cloud.call("PUT", "/v2/account/ssh-keys", {"keys": ["ssh-ed25519 AAAA me"]})
    for path, body in CREATES.items():
        for name in ("one", "two"):
            status, made = await cloud.call("POST", path, body | ({"name": name} if "name" in body else {}))
            assert status == 201, made
    cloud.service.secrets.create("hf", "value", "")
    await cloud.clock.advance(3600)
    before, records = await everything(cloud), dict(cloud.pods.records)

    fleet, pods, disks = FakeFleet(), FakePods(), FakeVolumes()
    again = RestService(
        *(cloud.store, fleet, cloud.clock, cloud.settings, KEY, cloud.service.base_url, cloud.images),
        volumes=disks,
        pods=pods,
    )
    await again.restore()
    assert pods.records == records
    assert fleet.applied == cloud.fleet.applied
    assert len(disks.there) == 2
    assert again.secrets.secret("hf") == "value"
    assert [row["id"] for row in again.templates.rows.all()] == [
        row["id"] for row in cloud.service.templates.rows.all()
    ]
    assert await everything(cloud) == before
    added = again.templates.create({"name": "three", "image": "i"})
    assert again.templates.rows.all()[-1]["id"] == added["id"], "oldest first, over a restart too"
