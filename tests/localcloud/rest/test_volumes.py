"""Network volumes: bound to a data center, growing only, and what may mount them."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import QUEUE, Cloud

pytestmark = pytest.mark.anyio

PATH = "/v2/network-volumes"
VOLUME = {"name": "weights", "size": 50, "dataCenter": "EU-RO-1"}


async def volume(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    status, made = await cloud.call("POST", PATH, VOLUME | fields)
    assert status == 201, made
    return dict(made)


async def test_from_create_to_delete(cloud: Cloud) -> None:
    made = await volume(cloud)
    assert made == VOLUME | {"id": made["id"], "type": "STANDARD"}
    assert cloud.disks.there == {made["id"]}
    assert await cloud.call("GET", PATH) == (200, {"networkVolumes": [made]})
    assert await cloud.call("PATCH", f"{PATH}/{made['id']}", {"size": 60}) == (200, made | {"size": 60})
    assert await cloud.call("PATCH", f"{PATH}/{made['id']}", {"name": "w2", "size": 60}) == (
        200,
        made | {"size": 60, "name": "w2"},
    )
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204
    assert cloud.disks.there == set()
    assert (await cloud.call("GET", f"{PATH}/{made['id']}"))[0] == 404
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 404


async def test_it_only_grows(cloud: Cloud) -> None:
    made = await volume(cloud)
    status, problem = await cloud.call("PATCH", f"{PATH}/{made['id']}", {"size": 49})
    assert (status, problem["detail"]) == (
        400,
        "size cannot be reduced: network volume has 50 GB, got 49 GB",
    )
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, made)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"name": "x", "size": 10, "dataCenterId": "EU-RO-1"},
            ["$: missing property 'dataCenter'", "$: additional properties 'dataCenterId' not allowed"],
        ),
        (VOLUME | {"size": 9}, ["$.size: minimum: got 9, want 10"]),
        (VOLUME | {"size": 4097}, ["$.size: maximum: got 4097, want 4096"]),
        (VOLUME | {"name": ""}, ["$.name: minLength: got 0, want 1"]),
        (VOLUME | {"type": "FAST"}, ["$.type: value must be one of 'STANDARD', 'HIGH_PERFORMANCE'"]),
    ],
)
async def test_a_volume_that_does_not_fit(cloud: Cloud, body: Any, errors: list[str]) -> None:
    status, problem = await cloud.call("POST", PATH, body)
    assert (status, problem["errors"]) == (422, errors)


@pytest.mark.parametrize(
    "patch", [{}, {"dataCenter": "EU-CZ-1"}, {"type": "STANDARD"}, {"size": "60"}, {"size": 5}]
)
async def test_a_patch_that_does_not_fit(cloud: Cloud, patch: Any) -> None:
    made = await volume(cloud)
    status, problem = await cloud.call("PATCH", f"{PATH}/{made['id']}", patch)
    assert (status, len(problem["errors"])) == (422, 1)
    if patch == {}:
        assert problem["errors"] == ["$: minProperties: got 0, want 1"]


@pytest.mark.parametrize(
    "change", [{"dataCenter": "EU-SE-1"}, {"dataCenter": "EU-XX-1"}, {"type": "HIGH_PERFORMANCE"}]
)
async def test_a_place_without_such_volumes_is_refused_with_those_that_have(
    cloud: Cloud, change: dict[str, str]
) -> None:
    status, problem = await cloud.call("POST", PATH, VOLUME | change)
    assert status == 400
    assert "network volumes; valid data centers are " in problem["detail"]
    valid = problem["detail"].split("valid data centers are ")[1].split(", ")
    assert ("EU-RO-1" in valid) == ("type" not in change)
    assert "US-KS-2" in valid


async def test_an_endpoint_must_be_where_its_volume_is(cloud: Cloud) -> None:
    made = await volume(cloud)
    body = QUEUE | {"networkVolumes": [made["id"]], "dataCenterIds": ["US-KS-2"]}
    status, problem = await cloud.call("POST", "/v2/serverless", body)
    assert status == 400
    assert "is in EU-RO-1, which is not among dataCenterIds" in problem["detail"]
    endpoint = await cloud.make(networkVolumes=[made["id"]], dataCenterIds=["EU-RO-1", "US-KS-2"])
    assert cloud.fleet.applied[-1].network_volumes == (made["id"],)
    status, problem = await cloud.call(
        "PATCH", f"/v2/serverless/{endpoint['id']}", {"dataCenterIds": ["US-KS-2"]}
    )
    assert status == 400
    assert (await cloud.call("GET", f"/v2/serverless/{endpoint['id']}"))[1] == endpoint


async def test_one_volume_for_each_data_center(cloud: Cloud) -> None:
    first, second, there = await volume(cloud), await volume(cloud), await volume(cloud, dataCenter="US-KS-2")
    status, problem = await cloud.call(
        "POST", "/v2/serverless", QUEUE | {"networkVolumes": [first["id"], second["id"]]}
    )
    assert status == 400
    assert "are both in EU-RO-1; one network volume per data center" in problem["detail"]
    assert (await cloud.make(networkVolumes=[first["id"], there["id"]]))["networkVolumes"] == [
        first["id"],
        there["id"],
    ]


async def test_a_volume_in_use_stays(cloud: Cloud) -> None:
    made = await volume(cloud)
    endpoint = await cloud.make(networkVolumes=[made["id"]])
    status, problem = await cloud.call("DELETE", f"{PATH}/{made['id']}")
    assert status == 400
    assert f"in use by serverless endpoint '{endpoint['id']}'" in problem["detail"]
    assert cloud.disks.there == {made["id"]}
    await cloud.call("DELETE", f"/v2/serverless/{endpoint['id']}")
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204


async def test_a_restart_finds_volumes_and_their_files(cloud: Cloud) -> None:
    made = await volume(cloud)
    cloud.disks.there.clear()
    await cloud.service.restore()
    assert cloud.disks.there == {made["id"]}
