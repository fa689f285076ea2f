"""Registry credentials and ECR delegations: write-only, and kept while somebody pulls with them."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import Cloud, worker

pytestmark = pytest.mark.anyio

PATH = "/v2/registries"
CREDENTIAL = {"name": "ghcr", "username": "canary-user", "password": "canary-password"}


async def test_credentials_never_come_back(cloud: Cloud) -> None:
    status, made = await cloud.call("POST", PATH, CREDENTIAL)
    assert (status, made) == (201, {"id": made["id"], "name": "ghcr"})
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, made)
    assert await cloud.call("GET", PATH) == (200, {"registries": [made]})
    rows = cloud.store.kv("runpod.registries").items()
    assert "canary" not in str(rows)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "x"}, ["$: missing properties 'username', 'password'"]),
        (CREDENTIAL | {"url": "ghcr.io"}, ["$: additional properties 'url' not allowed"]),
        (CREDENTIAL | {"password": ""}, ["$.password: minLength: got 0, want 1"]),
    ],
)
async def test_a_credential_that_does_not_fit(cloud: Cloud, body: Any, errors: list[str]) -> None:
    status, problem = await cloud.call("POST", PATH, body)
    assert (status, problem["errors"]) == (422, errors)
    assert "canary" not in str(problem)


async def test_names_are_unique_and_there_is_no_patch(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", PATH, CREDENTIAL)
    assert (await cloud.call("POST", PATH, CREDENTIAL))[0] == 400
    assert (await cloud.call("PATCH", f"{PATH}/{made['id']}", {"name": "x"}))[0] == 405


async def test_workers_that_are_up_hold_it_and_others_lose_it(cloud: Cloud) -> None:
    _, made = await cloud.call("POST", PATH, CREDENTIAL)
    _, template = await cloud.call(
        "POST", "/v2/templates", {"name": "t", "image": "i", "registry": made["id"]}
    )
    endpoint = await cloud.make(registry=made["id"])
    cloud.staff(endpoint["id"], worker("w"))
    status, problem = await cloud.call("DELETE", f"{PATH}/{made['id']}")
    assert (status, problem["detail"]) == (
        400,
        "Registry credential is in use by a pod and cannot be deleted",
    )
    cloud.staff(endpoint["id"])
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204
    assert (await cloud.call("GET", f"/v2/templates/{template['id']}"))[1]["registry"] is None
    assert (await cloud.call("GET", f"/v2/serverless/{endpoint['id']}"))[1]["registry"] is None
    assert cloud.fleet.applied[-1].registry is None
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 404


async def test_delegations(cloud: Cloud) -> None:
    arn = "arn:aws:ecr:eu-west-1:123456789012:repository/team/model"
    status, made = await cloud.call("POST", f"{PATH}/delegations", {"resource": arn, "name": None})
    assert status == 201
    assert (made["repository"], made["tag"], made["awsRegion"]) == ("team/model", "latest", "eu-west-1")
    assert made["dockerRegistryUri"] == "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert await cloud.call("GET", f"{PATH}/delegations") == (200, {"delegations": [made]})
    assert (await cloud.call("DELETE", f"{PATH}/delegations/{made['id']}"))[0] == 204
    assert (await cloud.call("DELETE", f"{PATH}/delegations/{made['id']}"))[0] == 404
    assert (await cloud.call("POST", f"{PATH}/delegations", {"resource": "arn:aws:s3:::b"}))[0] == 400
    assert (await cloud.call("POST", f"{PATH}/delegations", {}))[0] == 422
