"""Volumes, pods, registries and the catalog in GraphQL, beyond what the official SDK asks."""

from typing import Any

import pytest

from tests.localcloud.graphql.asking import ask, refused
from tests.localcloud.rest.fakes import Cloud

pytestmark = pytest.mark.anyio

DEPLOY = """mutation ($input: PodFindAndDeployOnDemandInput) {
  podFindAndDeployOnDemand(input: $input) { id templateId volumeMountPath networkVolumeId machine { dataCenterId } } }"""


async def deploy(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    given = {"name": "p", "imageName": "img:1", "gpuTypeId": "NVIDIA L4", "gpuCount": 1} | fields
    return dict((await ask(cloud, DEPLOY, input=given))["podFindAndDeployOnDemand"])


async def test_network_volumes(cloud: Cloud) -> None:
    create = "mutation ($input: CreateNetworkVolumeInput!) { createNetworkVolume(input: $input) { id size } }"
    update = (
        "mutation ($input: UpdateNetworkVolumeInput!) { updateNetworkVolume(input: $input) { name size } }"
    )
    delete = "mutation ($input: DeleteNetworkVolumeInput!) { deleteNetworkVolume(input: $input) }"
    given = {"name": "v", "size": 10, "dataCenterId": "EU-RO-1"}
    id = (await ask(cloud, create, input=given))["createNetworkVolume"]["id"]
    assert "valid data centers are" in await refused(cloud, create, input=given | {"dataCenterId": "EU-SE-1"})
    assert "between 10 and 4096" in await refused(cloud, create, input=given | {"size": 9})
    grown = await ask(cloud, update, input={"id": id, "size": 20})
    assert grown["updateNetworkVolume"] == {"name": "v", "size": 20}
    assert "cannot be reduced" in await refused(cloud, update, input={"id": id, "size": 15})
    pod = await deploy(cloud, networkVolumeId=id)
    assert (pod["networkVolumeId"], pod["volumeMountPath"]) == (id, "/workspace")
    assert "in use by pod" in await refused(cloud, delete, input={"id": id})
    await ask(
        cloud,
        "mutation ($input: PodTerminateInput!) { podTerminate(input: $input) }",
        input={"podId": pod["id"]},
    )
    assert await ask(cloud, delete, input={"id": id}) == {"deleteNetworkVolume": None}


async def test_pods_by_template_country_and_list(cloud: Cloud) -> None:
    _, template = await cloud.call("POST", "/v2/templates", {"name": "t", "image": "img:t"})
    pod = await deploy(
        cloud,
        imageName="",
        templateId=template["id"],
        countryCode="RO",
        gpuTypeId=None,
        gpuTypeIdList=["NVIDIA H200"],
    )
    assert (pod["templateId"], pod["machine"]) == (template["id"], {"dataCenterId": "EU-RO-1"})
    record = cloud.pods.records[pod["id"]]
    assert (record.image, record.gpu_type_id) == ("img:t", "NVIDIA H200")
    status, problem = await cloud.call("DELETE", f"/v2/templates/{template['id']}")
    assert (status, problem["detail"][:18]) == (400, "Template is in use")
    edit = "mutation ($input: PodEditJobInput!) { podEditJob(input: $input) { imageName env } }"
    given = {"podId": pod["id"], "imageName": "img:2", "env": [{"key": "A", "value": "1"}]}
    assert (await ask(cloud, edit, input=given))["podEditJob"] == {"imageName": "img:2", "env": ["A=1"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpuTypeId": ""}, "gpuTypeId must be given"),
        ({"gpuTypeId": "NVIDIA L5"}, "unknown GPU type 'NVIDIA L5'"),
        ({"gpuCount": 0}, "gpuCount must be at least 1"),
        ({"imageName": ""}, "imageName or templateId must be given"),
        ({"countryCode": "BR"}, "unknown data center 'BR'"),
        ({"cloudType": "COMMUNITY"}, "no longer any instances available"),
        ({"cloudType": "MOON"}, "MOON"),
    ],
)
async def test_pods_that_are_refused(cloud: Cloud, change: dict[str, Any], reason: str) -> None:
    given = {"name": "p", "imageName": "img:1", "gpuTypeId": "NVIDIA L4", "gpuCount": 1}
    assert reason in await refused(cloud, DEPLOY, input=given | change)
    assert cloud.pods.records == {}


async def test_the_catalog(cloud: Cloud) -> None:
    cloud.settings.update({"stock": {"EU-RO-1": {"cpu5c": "NONE"}}})
    answer = await ask(
        cloud,
        """{ dataCenters { id storageSupport } serverlessGpuPools { id gpuTypeIds }
        cpuFlavors(input: {id: "cpu5c"}) {
          id minVcpu
          here: specifics(input: {instanceId: "cpu5c-4-8", dataCenterId: "EU-RO-1"}) { stockStatus }
          there: specifics(input: {instanceId: "cpu5c-4-8"}) { stockStatus securePrice } } }""",
    )
    (flavor,) = answer["cpuFlavors"]
    assert (flavor["here"]["stockStatus"], flavor["there"]["stockStatus"]) == (None, "High")
    assert flavor["there"]["securePrice"] == pytest.approx(0.16)
    storage = {center["id"]: center["storageSupport"] for center in answer["dataCenters"]}
    assert (storage["EU-RO-1"], storage["EU-SE-1"]) == (True, False)
    pools = {pool["id"]: pool["gpuTypeIds"] for pool in answer["serverlessGpuPools"]}
    assert "NVIDIA L4" in pools["AMPERE_24"]


async def test_what_the_account_has(cloud: Cloud) -> None:
    await cloud.call("POST", "/v2/registries", {"name": "r", "username": "u", "password": "canary"})
    await deploy(cloud, gpuTypeId="NVIDIA H200")
    answer = (
        await ask(
            cloud, "{ myself { containerRegistryCreds { name } currentSpendPerHr podTemplates { id } } }"
        )
    )["myself"]
    assert answer["containerRegistryCreds"] == [{"name": "r"}]
    assert answer["currentSpendPerHr"] == pytest.approx(4.59, abs=0.01)
    assert answer["podTemplates"] == []
