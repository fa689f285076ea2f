"""Templates: presets that are read once."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import CPU, QUEUE, Cloud

pytestmark = pytest.mark.anyio

WORKER = {"name": "worker", "image": "img:1", "serverless": True}
PATH = "/v2/templates"


async def template(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    status, made = await cloud.call("POST", PATH, WORKER | fields)
    assert status == 201, made
    return dict(made)


async def test_a_template_has_defaults_and_reads_back(cloud: Cloud) -> None:
    status, made = await cloud.call("POST", PATH, {"name": "pod", "image": "img:1"})
    assert status == 201
    assert {name: value for name, value in made.items() if name != "id"} == {
        "name": "pod",
        "image": "img:1",
        "args": "",
        "disk": 20,
        "ports": [],
        "env": {},
        "registry": None,
        "mounts": {},
        "serverless": False,
        "public": False,
        "category": "NVIDIA",
        "startSsh": True,
        "startJupyter": True,
        "allowedCudaVersions": [],
    }
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, made)
    assert await cloud.call("GET", PATH) == (200, {"templates": [made]})


async def test_a_patch_changes_what_it_names(cloud: Cloud) -> None:
    made = await template(cloud, env={"A": "1"}, mounts={"persistent": {"size": 10, "path": "/data"}})
    patch = {"env": {"B": "2"}, "disk": 40.0, "startSsh": False, "mounts": {}}
    status, new = await cloud.call("PATCH", f"{PATH}/{made['id']}", patch)
    assert (status, new) == (200, made | {"env": {"B": "2"}, "disk": 40, "startSsh": False})
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, new)
    assert (await cloud.call("PATCH", f"{PATH}/{made['id']}", {}))[1] == new


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "x"}, ["$: missing property 'image'"]),
        (WORKER | {"dataCenter": "x"}, ["$: additional properties 'dataCenter' not allowed"]),
        (WORKER | {"public": "no"}, ["$.public: got string, want boolean"]),
        (WORKER | {"category": "TPU"}, ["$.category: value must be one of 'CPU', 'NVIDIA', 'AMD'"]),
        (WORKER | {"mounts": {"network": []}}, ["$.mounts: additional properties 'network' not allowed"]),
        (WORKER | {"mounts": {"persistent": {"size": 9}}}, ["$.mounts.persistent: missing property 'path'", "$.mounts.persistent.size: minimum: got 9, want 10"]),
    ],
)  # fmt: skip
async def test_a_template_that_does_not_fit(cloud: Cloud, body: Any, errors: list[str]) -> None:
    status, problem = await cloud.call("POST", PATH, body)
    assert (status, problem["errors"]) == (422, errors)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (WORKER | {"registry": "none"}, "registry: registry credential 'none' does not exist"),
        (WORKER | {"ports": ["http/80"]}, "ports: 'http/80' is not port/protocol"),
        (WORKER | {"ports": ["70000/tcp"]}, "ports: '70000/tcp' is not port/protocol"),
        (WORKER | {"image": ""}, "image must not be empty"),
    ],
)
async def test_a_template_that_makes_no_sense(cloud: Cloud, body: Any, detail: str) -> None:
    status, problem = await cloud.call("POST", PATH, body)
    assert status == 400
    assert detail in problem["detail"]


async def test_names_are_unique(cloud: Cloud) -> None:
    first = await template(cloud)
    status, problem = await cloud.call("POST", PATH, WORKER)
    assert (status, problem["detail"]) == (400, "Template name must be unique: 'worker' exists")
    assert (await cloud.call("PATCH", f"{PATH}/{first['id']}", {"name": "worker"}))[0] == 200


async def test_an_endpoint_takes_a_template_once(cloud: Cloud) -> None:
    made = await template(cloud, env={"A": "t", "B": "t"}, disk=30, allowedCudaVersions=["12.8"])
    body = {name: value for name, value in QUEUE.items() if name != "image"}
    status, endpoint = await cloud.call(
        "POST", "/v2/serverless", body | {"templateId": made["id"], "env": {"B": "own"}, "disk": 5}
    )
    assert status == 201
    assert (endpoint["image"], endpoint["disk"], endpoint["env"]) == ("img:1", 5, {"A": "t", "B": "own"})
    assert endpoint["gpu"]["allowedCudaVersions"] == ["12.8"]
    assert "templateId" not in endpoint
    await cloud.call("PATCH", f"{PATH}/{made['id']}", {"image": "img:2", "env": {"C": "t"}})
    assert (await cloud.call("GET", f"/v2/serverless/{endpoint['id']}"))[1]["image"] == "img:1"
    _, patched = await cloud.call("PATCH", f"/v2/serverless/{endpoint['id']}", {"templateId": made["id"]})
    assert (patched["image"], patched["disk"], patched["env"]) == ("img:2", 30, {"C": "t"})
    assert (await cloud.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204, "taken once, not bound"


async def test_cuda_versions_go_in_only_where_they_can(cloud: Cloud) -> None:
    made = await template(cloud, allowedCudaVersions=["12.8"])
    _, cpu = await cloud.call("POST", "/v2/serverless", CPU | {"templateId": made["id"]})
    assert "gpu" not in cpu
    gpu = QUEUE["gpu"] | {"minCudaVersion": "12.1"}  # type: ignore[operator]
    status, floor = await cloud.call("POST", "/v2/serverless", QUEUE | {"templateId": made["id"], "gpu": gpu})
    assert (status, floor["gpu"]["allowedCudaVersions"]) == (201, [])


async def test_a_pod_template_is_not_for_endpoints(cloud: Cloud) -> None:
    made = await template(cloud, serverless=False)
    status, problem = await cloud.call("POST", "/v2/serverless", QUEUE | {"templateId": made["id"]})
    assert (status, problem["detail"]) == (
        422,
        f"template '{made['id']}' is a pod template; a serverless template is required",
    )


async def test_public_templates_are_read_only(cloud: Cloud) -> None:
    _, listed = await cloud.call("GET", "/v2/catalog/templates")
    public = listed["templates"][0]
    assert public["public"] is True
    assert await cloud.call("GET", f"{PATH}/{public['id']}") == (200, public)
    assert (await cloud.call("PATCH", f"{PATH}/{public['id']}", {"name": "mine"}))[0] == 404
    assert (await cloud.call("DELETE", f"{PATH}/{public['id']}"))[0] == 404
    assert await cloud.call("GET", PATH) == (200, {"templates": []})
    assert await cloud.call("GET", "/v2/catalog/templates?source=community") == (200, {"templates": []})
    assert (await cloud.call("GET", "/v2/catalog/templates?source=mine"))[0] == 422
