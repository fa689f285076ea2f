"""Answers against RunPod's own description of REST v2, where a copy of it lies beside the checkout."""

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from infra.localcloud.runpod.model import Usage, WorkerStatus
from infra.localcloud.runpod.rest import (
    clusters,
    delegations,
    podrules,
    registries,
    sshkeys,
    templates,
    volumes,
)
from infra.localcloud.runpod.rest.bodies import read_create, read_update
from infra.localcloud.runpod.rest.podrules import create_rule
from infra.localcloud.runpod.rest.problems import Problem
from infra.localcloud.runpod.rest.reading import read
from infra.localcloud.runpod.rest.routes import COLLECTIONS
from infra.localcloud.runpod.rest.schema import Rule
from tests.conformance.runpod.description import PATH, missing
from tests.localcloud.rest.fakes import BALANCER, CPU, QUEUE, Cloud, worker
from tests.localcloud.rest.test_refusals import UNFIT, UNFIT_UPDATES

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
referencing = pytest.importorskip("referencing", reason="referencing is not installed")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@cache
def description() -> dict[str, Any]:
    return dict(json.loads(PATH.read_text()))


@cache
def registry() -> Any:
    resource = referencing.Resource(contents=description(), specification=referencing.jsonschema.DRAFT202012)
    return referencing.Registry().with_resource("urn:runpod", resource)


def failures(schema: dict[str, Any], value: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(
        schema, registry=registry(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"urn:runpod#/components/schemas/{name}"}


async def fits(cloud: Cloud, method: str, path: str, template: str, body: Any = None) -> Any:
    """The answer, after checking status, media type and body against the operation of the description."""
    status, answer = await cloud.call(method, path, body)
    responses = description()["paths"][template][method.lower()]["responses"]
    described = responses.get(str(status))
    assert described is not None or status >= 400, f"{method} {template} has no {status}"
    if described and "$ref" not in described and status < 400:
        content = described.get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            assert (status, answer) == (204, None)
            return answer
        name = schema["$ref"].rpartition("/")[2]
        assert failures(component(name), answer) == []
        return answer
    assert failures(component("ErrorResponse"), answer) == []
    assert cloud.headers is not None
    assert cloud.headers["Content-Type"].startswith("application/problem+json")
    return answer


@pytest.mark.parametrize(
    "body",
    [
        QUEUE,
        BALANCER,
        CPU,
        QUEUE | {"scaling": {"type": "REQUEST_COUNT", "requestCount": 3}},
        QUEUE | {"gpu": {"pools": ["ADA_48_PRO"], "excludedTypes": ["NVIDIA L40"], "minCudaVersion": "12.1"}},
    ],
)
async def test_endpoints_from_create_to_delete(cloud: Cloud, body: dict[str, Any]) -> None:
    one, many = "/v2/serverless/{id}", "/v2/serverless"
    assert failures(component("CreateEndpointRequest"), body) == []
    made = await fits(cloud, "POST", many, many, body)
    path = f"/v2/serverless/{made['id']}"
    await fits(cloud, "GET", many, many)
    await fits(cloud, "GET", path, one)
    patch = {"env": {"A": "1"}, "workers": {"min": 1}}
    assert failures(component("UpdateEndpointRequest"), patch) == []
    await fits(cloud, "PATCH", path, one, patch)
    cloud.staff(made["id"], *(worker(status.value.lower(), status) for status in WorkerStatus))
    await fits(cloud, "GET", f"{path}/workers", f"{one}/workers")
    await fits(cloud, "GET", f"{path}/releases", f"{one}/releases")
    await fits(cloud, "GET", f"{path}/workers/nobody/logs", f"{one}/workers/{{workerId}}/logs")
    await fits(cloud, "PATCH", path, one, {"workers": {"min": 9, "max": 1}})
    await fits(cloud, "PATCH", path, one, {"type": "QUEUE"})
    await fits(cloud, "DELETE", path, one)
    await fits(cloud, "DELETE", path, one)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v2/catalog/gpus", ""),
        ("/v2/catalog/gpus?include=AVAILABILITY&product=SERVERLESS,POD", "/v2/catalog/gpus"),
        ("/v2/catalog/gpus/NVIDIA%20GeForce%20RTX%205090", "/v2/catalog/gpus/{id}"),
        ("/v2/catalog/cpus?include=AVAILABILITY&product=SERVERLESS", "/v2/catalog/cpus"),
        ("/v2/catalog/cpus/cpu5c", "/v2/catalog/cpus/{id}"),
        ("/v2/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY", "/v2/catalog/datacenters"),
        ("/v2/catalog/datacenters/EU-RO-1", "/v2/catalog/datacenters/{id}"),
        ("/v2/catalog/templates", ""),
        ("/v2/billing?lastN=3", "/v2/billing"),
        ("/v2/billing/pods?lastN=3", "/v2/billing/pods"),
        ("/v2/billing/network-volumes?lastN=3", "/v2/billing/network-volumes"),
        ("/v2/billing/clusters?lastN=3", "/v2/billing/clusters"),
        ("/v2/billing/endpoints?bucketSize=year", "/v2/billing/endpoints"),
        ("/v2/billing/serverless?serverlessId=e", "/v2/billing/serverless"),
    ],
)
async def test_catalog_and_billing(cloud: Cloud, path: str, template: str) -> None:
    now = cloud.clock.now()
    cloud.service.meter.record(Usage("e", "w", "NVIDIA L4", 1, 0, now - 90000, now))
    await cloud.call("POST", "/v2/network-volumes", VOLUME)
    await cloud.call("POST", "/v2/pods", POD)
    await cloud.call("POST", "/v2/clusters", CLUSTER)
    await cloud.clock.advance(3600)
    answer = await fits(cloud, "GET", path, template or path)
    assert answer


POD = {"name": "p", "image": "i", "gpu": {"id": "NVIDIA L4"}, "ports": ["22/tcp"]}
CLUSTER = {
    "name": "c",
    "type": "RAY",
    "image": "i",
    "compute": {"gpuTypeId": "NVIDIA L4", "gpuCountPerPod": 1, "podCount": 2},
}
VOLUME = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
MOUNTS = {"persistent": {"size": 10, "path": "/w"}, "network": [{"volumeId": "v", "path": "/w"}]}


@pytest.mark.parametrize(
    ("collection", "body", "patch"),
    [
        ("templates", {"name": "t", "image": "i"}, {"disk": 5, "mounts": {}}),
        ("network-volumes", VOLUME, {"size": 20}),
        ("registries", {"name": "r", "username": "u", "password": "p"}, None),
        ("pods", POD, {"env": {"A": "1"}}),
        ("pods", {"name": "p", "image": "i", "cpu": CPU["cpu"][0]}, {"locked": True}),  # type: ignore[index]
        ("clusters", CLUSTER, {"name": "d"}),
    ],
)
async def test_resources_from_create_to_delete(
    cloud: Cloud, collection: str, body: dict[str, Any], patch: dict[str, Any] | None
) -> None:
    many, one = f"/v2/{collection}", f"/v2/{collection}/{{id}}"
    made = await fits(cloud, "POST", many, many, body)
    path = f"{many}/{made['id']}"
    await fits(cloud, "GET", many, many)
    await fits(cloud, "GET", path, one)
    if patch is not None:
        await fits(cloud, "PATCH", path, one, patch)
        await fits(cloud, "PATCH", path, one, {"bogus": 1})
    if collection == "pods":
        for action in ("stop", "stop", "start", "restart", "terminate", "start"):
            await fits(cloud, "POST", f"{path}/action", f"{one}/action", {"action": action})
    if collection == "clusters":
        await fits(cloud, "GET", f"{path}/pods", f"{one}/pods")
        members = (await fits(cloud, "GET", "/v2/pods?includeClusterPods=true", "/v2/pods"))["pods"]
        assert len(members) == 2
        await fits(cloud, "DELETE", f"/v2/pods/{members[0]['id']}", "/v2/pods/{id}")
    await fits(cloud, "DELETE", path, one)
    await fits(cloud, "DELETE", path, one)
    assert (await fits(cloud, "GET", many, many)).popitem()[1] == []


async def test_the_account_and_delegations(cloud: Cloud) -> None:
    keys = "/v2/account/ssh-keys"
    await fits(cloud, "PUT", keys, keys, {"keys": ["ssh-ed25519 AAAA"]})
    await fits(cloud, "GET", keys, keys)
    many = "/v2/registries/delegations"
    resource = "arn:aws:ecr:eu-west-1:123456789012:repository/model"
    made = await fits(cloud, "POST", many, many, {"resource": resource})
    await fits(cloud, "GET", many, many)
    await fits(cloud, "DELETE", f"{many}/{made['id']}", f"{many}/{{id}}")


# Python's "$" also matches before a newline at the end, JSON Schema's does not.
@pytest.mark.parametrize("body", [body for body, errors in UNFIT if "\n" not in errors[0]])
def test_the_description_refuses_the_same_creates(body: Any) -> None:
    assert failures(component("CreateEndpointRequest"), body) != []


@pytest.mark.parametrize("patch", [patch for patch, _ in UNFIT_UPDATES])
def test_the_description_refuses_the_same_updates(patch: Any) -> None:
    assert failures(component("UpdateEndpointRequest"), patch) != []


VALUES: list[Any] = [
    *(
        None,
        True,
        0,
        1,
        2,
        0.5,
        1.5,
        3.0,
        -1,
        3600,
        3601,
        "",
        "x",
        "QUEUE",
        "REQUEST_COUNT",
        "12.1",
        "-x",
        [],
        {},
    ),
    *(
        10,
        4096,
        4097,
        [{"volumeId": "v"}],
        [{"volumeId": "v", "path": "/w"}] * 2,
        {"persistent": {"size": 9, "path": ""}},
    ),
    *("SECURE", "CPU", "stop", "ssh-rsa A\nB", {"gpuTypeId": "", "gpuCountPerPod": 1, "podCount": 251}),
    *(["x"], ["x", "x"], [1], {"A": "1"}, {"A": 1}, {"type": "REQUEST_COUNT", "requestCount": 1}),
    *({"pools": ["x"]}, {"min": 1}, [{"id": "cpu5c", "vcpuCount": 2}]),
]
NAMES = (
    *(
        "name",
        "type",
        "image",
        "args",
        "disk",
        "ports",
        "env",
        "registry",
        "cpu",
        "gpu",
        "scaling",
        "workers",
    ),
    *(
        "timeout",
        "flashboot",
        "dataCenterIds",
        "networkVolumes",
        "templateId",
        "pools",
        "excludedTypes",
        "count",
    ),
    *(
        "mounts",
        "persistent",
        "network",
        "size",
        "path",
        "volumeId",
        "locked",
        "startSsh",
        "public",
        "category",
        "dataCenter",
        "allowedCudaVersions",
        "minCudaVersion",
        "min",
        "max",
        "idleTimeout",
        "queueDelay",
        "requestCount",
        "bogus",
    ),
)


def mutated(value: Any, rng: random.Random) -> Any:
    """`value` with one thing, somewhere in it, taken away, added or replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.7:
        name = rng.choice(list(value))
        return value | {name: mutated(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.5:
        return [mutated(value[0], rng), *value[1:]]
    if isinstance(value, dict) and rng.random() < 0.8:
        if value and rng.random() < 0.3:
            return {name: entry for name, entry in value.items() if name != next(iter(value))}
        return value | {rng.choice(NAMES): rng.choice(VALUES)}
    return rng.choice(VALUES)


def reading(rule: Rule) -> Callable[[bytes], dict[str, Any]]:
    return lambda body: read(body, rule)


JUDGED: list[tuple[str, Callable[[bytes], dict[str, Any]], tuple[dict[str, Any], ...]]] = [
    ("CreateEndpointRequest", read_create, (QUEUE, BALANCER, CPU)),
    ("UpdateEndpointRequest", read_update, ({"gpu": {"pools": ["x"]}, "workers": {}}, {"cpu": CPU["cpu"]})),
    ("CreatePodRequest", reading(create_rule), (POD, POD | {"mounts": MOUNTS, "cpu": CPU["cpu"][0]})),  # type: ignore[index]
    ("UpdatePodRequest", reading(podrules.UPDATE), ({"mounts": MOUNTS}, {"locked": True, "env": {}})),
    ("PodActionRequest", reading(podrules.ACTION), ({"action": "stop"},)),
    (
        "CreateTemplateRequest",
        reading(templates.CREATE),
        ({"name": "t", "image": "i", "mounts": {}, "startSsh": True},),
    ),
    ("UpdateTemplateRequest", reading(templates.UPDATE), ({"mounts": {}, "category": "CPU", "disk": 5},)),
    ("CreateNetworkVolumeRequest", reading(volumes.CREATE), (VOLUME, VOLUME | {"type": "STANDARD"})),
    ("UpdateNetworkVolumeRequest", reading(volumes.UPDATE), ({"size": 20, "name": "x"}, {"size": 20})),
    ("CreateRegistryRequest", reading(registries.CREATE), ({"name": "r", "username": "u", "password": "p"},)),
    ("CreateClusterRequest", reading(clusters.CREATE), (CLUSTER, CLUSTER | {"mounts": MOUNTS})),
    ("UpdateClusterRequest", reading(clusters.UPDATE), ({"name": "x"},)),
    ("UpdateSshKeysRequest", reading(sshkeys.UPDATE), ({"keys": ["ssh-rsa AAAA"]}, {"keys": ["ssh-rsa"]})),
    ("CreateDelegationRequest", reading(delegations.CREATE), ({"resource": "arn", "name": None},)),
]


@pytest.mark.parametrize(("schema", "judge", "bodies"), JUDGED)
def test_random_bodies_are_judged_alike(
    schema: str, judge: Callable[[bytes], dict[str, Any]], bodies: tuple[dict[str, Any], ...]
) -> None:
    rng = random.Random(20261124)
    verdicts = {True: 0, False: 0}
    for _ in range(600 if "Endpoint" in schema else 200):
        body: Any = rng.choice(bodies)
        for _ in range(rng.randint(0, 2)):
            body = mutated(body, rng)
        try:
            judge(json.dumps(body).encode())
            errors: list[str] = []
        except Problem as problem:
            errors = problem.errors
        described = failures(component(schema), body)
        assert bool(errors) == bool(described), (body, errors, described)
        verdicts[not errors] += 1
    assert min(verdicts.values()) > 5, verdicts


async def test_every_operation_of_the_description_has_an_answer(cloud: Cloud) -> None:
    """Served: never a path or method that we do not know."""
    cloud.settings.set("rate_limit=false")
    for path, operations in description()["paths"].items():
        assert path.split("/")[2] in COLLECTIONS
        for method in {"get", "post", "put", "patch", "delete"} & set(operations):
            concrete = path.replace("{id}", "none").replace("{workerId}", "none")
            status, problem = await cloud.call(method.upper(), concrete)
            assert status not in (405, 501), (path, method)
            assert status != 404 or problem["detail"] != "resource not found", (path, method)
