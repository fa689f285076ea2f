"""What is refused, and in which words: 422 for a body that does not fit, 400 for one that makes no sense."""

from typing import Any

import pytest

from tests.localcloud.rest.fakes import BALANCER, CPU, QUEUE, Cloud

pytestmark = pytest.mark.anyio

BY_COUNT = {"type": "REQUEST_COUNT", "requestCount": 2}
POOLS = {"pools": ["ADA_48_PRO"]}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in QUEUE.items() if key != name}


UNFIT: list[tuple[Any, list[str]]] = [
    (without("name"), ["$: missing property 'name'"]),
    ({}, ["$: missing properties 'name', 'type', 'scaling', 'image'"]),
    (without("image"), ["$: missing property 'image'"]),
    (QUEUE | {"x": 1, "y": 2}, ["$: additional properties 'x', 'y' not allowed"]),
    (QUEUE | {"gpu": POOLS | {"id": "L4"}}, ["$.gpu: additional properties 'id' not allowed"]),
    (QUEUE | {"gpu": {"count": 1}}, ["$.gpu: missing property 'pools'"]),
    (QUEUE | {"gpu": {"pools": []}}, ["$.gpu.pools: minItems: got 0, want 1"]),
    (QUEUE | {"gpu": POOLS | {"count": 0}}, ["$.gpu.count: minimum: got 0, want 1"]),
    (QUEUE | {"gpu": POOLS | {"excludedTypes": ["-x"]}}, [r"$.gpu.excludedTypes[0]: '-x' does not match pattern '^\s*[^-\s]'"]),
    (QUEUE | {"gpu": POOLS | {"minCudaVersion": "12"}}, [r"$.gpu.minCudaVersion: '12' does not match pattern '^\d+\.\d+$'"]),
    (QUEUE | {"gpu": POOLS | {"minCudaVersion": "12.1\n"}}, ["$.gpu.minCudaVersion: '12.1\n' does not match pattern '^\\d+\\.\\d+$'"]),
    (QUEUE | {"name": ""}, ["$.name: minLength: got 0, want 1"]),
    (QUEUE | {"name": 5}, ["$.name: got number, want string"]),
    (QUEUE | {"type": "BATCH"}, ["$.type: value must be one of 'QUEUE', 'LOAD_BALANCER'"]),
    (QUEUE | {"disk": 0, "flashboot": "on"}, ["$.disk: minimum: got 0, want 1", "$.flashboot: value must be one of 'OFF', 'FLASHBOOT', 'PRIORITY_FLASHBOOT'"]),
    (QUEUE | {"disk": 1.5}, ["$.disk: got number, want integer"]),
    (QUEUE | {"disk": True}, ["$.disk: got boolean, want integer"]),
    (QUEUE | {"env": {"A": 1}}, ["$.env.A: got number, want string"]),
    (QUEUE | {"env": None}, ["$.env: got null, want object"]),
    (QUEUE | {"registry": 5}, ["$.registry: got number, want string or null"]),
    (QUEUE | {"ports": "80"}, ["$.ports: got string, want array"]),
    (QUEUE | {"workers": {"min": -1, "idleTimeout": 0}}, ["$.workers.min: minimum: got -1, want 0", "$.workers.idleTimeout: minimum: got 0, want 1"]),
    (QUEUE | {"workers": {"idleTimeout": 3601}}, ["$.workers.idleTimeout: maximum: got 3601, want 3600"]),
    (QUEUE | {"workers": {"buffer": 1}}, ["$.workers: additional properties 'buffer' not allowed"]),
    (QUEUE | {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.4}}, ["$.scaling.queueDelay: minimum: got 0.4, want 0.5"]),
    (QUEUE | {"scaling": {"type": "QUEUE_DELAY", "requestCount": 1}}, ["$.scaling: missing property 'queueDelay'", "$.scaling: additional properties 'requestCount' not allowed"]),
    (QUEUE | {"scaling": {"queueDelay": 4}}, ["$.scaling: missing property 'type'"]),
    (QUEUE | {"scaling": {"type": "RATE", "queueDelay": 4}}, ["$.scaling.type: value must be one of 'QUEUE_DELAY', 'REQUEST_COUNT'"]),
    (QUEUE | {"scaling": "QUEUE_DELAY"}, ["$.scaling: got string, want object"]),
    (QUEUE | {"templateId": ""}, ["$.templateId: minLength: got 0, want 1"]),
    (BALANCER | {"scaling": QUEUE["scaling"]}, ["$.scaling.type: value must be 'REQUEST_COUNT'"]),
    (CPU | {"cpu": []}, ["$.cpu: minItems: got 0, want 1"]),
    (CPU | {"cpu": [{"id": "cpu5c"}]}, ["$.cpu[0]: missing property 'vcpuCount'"]),
    (CPU | {"cpu": [{"id": "cpu5c", "vcpuCount": 1}]}, ["$.cpu[0].vcpuCount: minimum: got 1, want 2"]),
    (CPU | {"cpu": [{"id": "cpu5c", "vcpuCount": 4, "memory": 8}]}, ["$.cpu[0]: additional properties 'memory' not allowed"]),
    (CPU | {"cpu": [{"id": "cpu5c", "vcpuCount": 4}] * 2}, ["$.cpu: items at 0 and 1 are equal"]),
    (CPU | {"allowedCudaVersions": []}, ["$: additional properties 'allowedCudaVersions' not allowed"]),
    ([], ["$: got array, want object"]),
    ("text", ["$: got string, want object"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "errors"), UNFIT)
async def test_a_create_that_does_not_fit(cloud: Cloud, body: Any, errors: list[str]) -> None:
    status, problem = await cloud.call("POST", "/v2/serverless", body)
    assert (status, problem) == (
        422,
        {
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "Request validation failed.",
            "errors": errors,
        },
    )
    assert cloud.headers is not None
    assert cloud.headers["Content-Type"].startswith("application/problem+json")
    assert cloud.fleet.applied == []


UNFIT_UPDATES: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "QUEUE"}, ["$: additional properties 'type' not allowed"]),
    ({"id": "x"}, ["$: additional properties 'id' not allowed"]),
    ({"gpu": {"excludedTypes": ["NVIDIA L4"]}}, ["$.gpu: properties 'pools' required, if 'excludedTypes' exists"]),
    ({"gpu": None}, ["$.gpu: got null, want object"]),
    ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 0}}, ["$.scaling.requestCount: minimum: got 0, want 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("patch", "errors"), UNFIT_UPDATES)
async def test_an_update_that_does_not_fit(cloud: Cloud, patch: dict[str, Any], errors: list[str]) -> None:
    made = await cloud.make()
    status, problem = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch)
    assert (status, problem["errors"]) == (422, errors)
    assert await cloud.call("GET", f"/v2/serverless/{made['id']}") == (200, made)


SENSELESS: list[tuple[dict[str, Any], int, str]] = [
    (without("gpu"), 400, "exactly one of gpu or cpu"),
    (QUEUE | {"cpu": CPU["cpu"]}, 400, "exactly one of gpu or cpu"),
    (QUEUE | {"gpu": {"pools": ["L4"]}}, 400, "unknown GPU pool 'L4'; valid pools are AMPERE_24, "),
    (
        QUEUE | {"gpu": POOLS | {"excludedTypes": ["NVIDIA L4"]}},
        400,
        "'NVIDIA L4' is not a GPU type in the selected",
    ),
    (
        QUEUE | {"gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA GeForce RTX 4090"]}},
        400,
        "leaves no GPU type",
    ),
    (
        QUEUE | {"gpu": POOLS | {"allowedCudaVersions": ["12.8"], "minCudaVersion": "12.1"}},
        400,
        "mutually exclusive",
    ),
    (QUEUE | {"workers": {"min": 3, "max": 2}}, 400, "workers.max (2) must not be less than workers.min (3)"),
    (QUEUE | {"workers": {"min": 4}}, 400, "workers.max (3) must not be less than workers.min (4)"),
    (QUEUE | {"image": ""}, 400, "image must not be empty"),
    (QUEUE | {"timeout": -1}, 400, "timeout must not be negative"),
    (
        QUEUE | {"dataCenterIds": ["EU-XX-1"]},
        400,
        "unknown data center 'EU-XX-1'; valid data centers are AP-JP-1",
    ),
    (QUEUE | {"networkVolumes": ["vol"]}, 400, "network volume 'vol' does not exist"),
    (QUEUE | {"registry": "cred"}, 400, "registry credential 'cred' does not exist"),
    (without("image") | {"templateId": "t"}, 404, "template 't' not found"),
    (CPU | {"cpu": [{"id": "cpu9", "vcpuCount": 2}]}, 400, "unknown CPU flavor 'cpu9'"),
    (CPU | {"cpu": [{"id": "cpu5c", "vcpuCount": 6}]}, 400, "vcpuCount 6 is not a power of two"),
    (CPU | {"cpu": [{"id": "cpu5c", "vcpuCount": 64}]}, 400, "vcpuCount 64 is not between 2 and 32"),
    (
        QUEUE | {"scaling": BY_COUNT, "workers": {"idleTimeout": 5}},
        422,
        "idleTimeout does not apply to queue-based endpoints scaling on requestCount",
    ),
]


@pytest.mark.parametrize(("body", "status", "detail"), SENSELESS)
async def test_a_create_that_makes_no_sense(
    cloud: Cloud, body: dict[str, Any], status: int, detail: str
) -> None:
    got, problem = await cloud.call("POST", "/v2/serverless", body)
    assert got == problem["status"] == status
    assert detail in problem["detail"]
    assert "errors" not in problem
    assert cloud.fleet.applied == []


SENSELESS_UPDATES: list[tuple[dict[str, Any], dict[str, Any], int, str]] = [
    (QUEUE, {"cpu": CPU["cpu"]}, 400, "cpu cannot be set on a GPU endpoint"),
    (CPU, {"gpu": POOLS}, 400, "gpu cannot be set on a CPU endpoint"),
    (QUEUE, {"gpu": POOLS, "cpu": CPU["cpu"]}, 400, "exactly one of gpu or cpu"),
    (QUEUE, {"workers": {"min": 4}}, 400, "workers.max (3) must not be less than workers.min (4)"),
    (QUEUE, {"scaling": BY_COUNT, "workers": {"idleTimeout": 5}}, 422, "idleTimeout does not apply"),
    (QUEUE | {"scaling": BY_COUNT}, {"workers": {"idleTimeout": 5}}, 422, "idleTimeout does not apply"),
    (BALANCER, {"scaling": QUEUE["scaling"]}, 400, "only support REQUEST_COUNT"),
    (
        QUEUE | {"gpu": POOLS | {"minCudaVersion": "12.1"}},
        {"gpu": {"allowedCudaVersions": ["12.8"]}},
        400,
        "mutually exclusive",
    ),
    (QUEUE, {"templateId": "t"}, 404, "template 't' not found"),
    (QUEUE, {"image": ""}, 400, "image must not be empty"),
]


@pytest.mark.parametrize(("body", "patch", "status", "detail"), SENSELESS_UPDATES)
async def test_an_update_that_makes_no_sense(
    cloud: Cloud, body: dict[str, Any], patch: dict[str, Any], status: int, detail: str
) -> None:
    _, made = await cloud.call("POST", "/v2/serverless", body)
    got, problem = await cloud.call("PATCH", f"/v2/serverless/{made['id']}", patch)
    assert got == status
    assert detail in problem["detail"]
    assert await cloud.call("GET", f"/v2/serverless/{made['id']}") == (200, made)
    assert len(cloud.fleet.applied) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"timeout": 1e999}', b"\xff\xfe", b"[" * 100000])
async def test_a_body_that_is_not_json(cloud: Cloud, body: bytes) -> None:
    status, problem = await cloud.call("POST", "/v2/serverless", body)
    assert (status, problem["title"]) == (400, "Bad Request")


async def test_a_patch_of_nothing_known_is_not_found_before_it_is_invalid(cloud: Cloud) -> None:
    status, _ = await cloud.call("PATCH", "/v2/serverless/abcdefghijklmn", {"type": "QUEUE"})
    assert status == 404
