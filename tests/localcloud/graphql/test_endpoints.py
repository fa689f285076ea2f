"""saveEndpoint replaces; templates are bound; REST v2 and GraphQL show the same endpoints."""

from typing import Any

import pytest

from tests.localcloud.graphql.asking import ask, refused
from tests.localcloud.rest.fakes import CPU, Cloud

pytestmark = pytest.mark.anyio

FIELDS = """id name type version gpuIds gpuCount instanceIds templateId idleTimeout scalerType scalerValue workersMin
workersMax executionTimeoutMs flashBootType locations networkVolumeIds { networkVolumeId dataCenterId }
allowedCudaVersions minCudaVersion env { key value } template { id imageName isServerless }"""
SAVE = f"mutation ($input: EndpointInput!) {{ saveEndpoint(input: $input) {{ {FIELDS} }} }}"
GET = f"query ($id: String!) {{ myself {{ endpoint(id: $id) {{ {FIELDS} }} }} }}"
TEMPLATE = """mutation ($input: SaveTemplateInput) {
  saveTemplate(input: $input) { id name imageName env { key value } } }"""


async def template(cloud: Cloud, name: str = "worker", **fields: Any) -> str:
    given = {
        "name": name,
        "imageName": "img:1",
        "containerDiskInGb": 10,
        "dockerArgs": "",
        "env": [{"key": "A", "value": "1"}],
        "volumeInGb": 0,
        "isServerless": True,
    }
    return str((await ask(cloud, TEMPLATE, input=given | fields))["saveTemplate"]["id"])


async def save(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    return dict((await ask(cloud, SAVE, input={"name": "e", "gpuIds": "ADA_24"} | fields))["saveEndpoint"])


async def test_what_is_left_out_goes_back_to_its_default(cloud: Cloud) -> None:
    id = await template(cloud)
    made = await save(
        cloud,
        templateId=id,
        gpuIds="AMPERE_24,ADA_24,-NVIDIA L4",
        gpuCount=2,
        idleTimeout=99,
        scalerValue=7.5,
        workersMin=1,
        workersMax=9,
        executionTimeoutMs=5000,
        flashBootType="PRIORITY_FLASHBOOT",
        locations="EU-RO-1, US-KS-2",
        minCudaVersion="12.8",
    )
    assert (made["gpuIds"], made["scalerValue"]) == ("AMPERE_24,ADA_24,-NVIDIA L4", 7.5)
    assert made["locations"] == "EU-RO-1,US-KS-2"
    replaced = await save(cloud, id=made["id"], name="")
    assert (replaced["name"], replaced["templateId"]) == ("e", id)
    assert (replaced["idleTimeout"], replaced["scalerValue"], replaced["workersMax"]) == (10, 4.0, 3)
    assert (replaced["workersMin"], replaced["gpuCount"], replaced["gpuIds"]) == (0, 1, "ADA_24")
    assert (replaced["locations"], replaced["flashBootType"], replaced["minCudaVersion"]) == ("", "OFF", None)
    assert replaced["executionTimeoutMs"] == 0


async def test_both_apis_show_the_same_endpoint(cloud: Cloud) -> None:
    made = await save(cloud, templateId=await template(cloud))
    _, rest = await cloud.call("GET", f"/v2/serverless/{made['id']}")
    assert (rest["image"], rest["env"], rest["gpu"]["pools"]) == ("img:1", {"A": "1"}, ["ADA_24"])
    assert "template" not in rest
    other = await cloud.make(env={"B": "2"})
    shown = (await ask(cloud, GET, id=other["id"]))["myself"]["endpoint"]
    assert shown["env"] == [{"key": "B", "value": "2"}]
    assert shown["template"] == {"id": shown["templateId"], "imageName": other["image"], "isServerless": True}
    one = await ask(cloud, "query ($id: String!) { podTemplate(id: $id) { id } }", id=shown["templateId"])
    assert one["podTemplate"]["id"] == shown["templateId"]
    _, cpu = await cloud.call("POST", "/v2/serverless", CPU)
    shown = (await ask(cloud, GET, id=cpu["id"]))["myself"]["endpoint"]
    assert (shown["instanceIds"], shown["gpuIds"]) == (["cpu5c-4-8"], "")


async def test_a_template_reaches_the_endpoints_bound_to_it(cloud: Cloud) -> None:
    id = await template(cloud)
    bound, free = await save(cloud, templateId=id), await cloud.make(templateId=id)
    await template(cloud, id=id, imageName="img:2")
    assert (await ask(cloud, GET, id=bound["id"]))["myself"]["endpoint"]["version"] == 2
    assert cloud.fleet.applied[-1].image == "img:2"
    assert (await cloud.call("GET", f"/v2/serverless/{free['id']}"))[1] == free
    delete = "mutation ($name: String) { deleteTemplate(templateName: $name) }"
    assert "in use" in await refused(cloud, delete, name="worker")
    assert (await cloud.call("DELETE", f"/v2/templates/{id}"))[0] == 400
    gone = await ask(cloud, "mutation ($id: String!) { deleteEndpoint(id: $id) }", id=bound["id"])
    assert gone == {"deleteEndpoint": None}
    assert (await cloud.call("GET", f"/v2/templates/{id}"))[0] == 200, "GraphQL leaves the template"
    assert await ask(cloud, delete, name="worker") == {"deleteTemplate": None}


async def test_rest_takes_the_bound_template_away(cloud: Cloud) -> None:
    id = await template(cloud)
    first, second = await save(cloud, templateId=id), await save(cloud, templateId=id)
    await cloud.call("DELETE", f"/v2/serverless/{first['id']}")
    assert (await cloud.call("GET", f"/v2/templates/{id}"))[0] == 200
    await cloud.call("DELETE", f"/v2/serverless/{second['id']}")
    assert (await cloud.call("GET", f"/v2/templates/{id}"))[0] == 404


async def test_a_template_in_the_input_is_made_and_undone(cloud: Cloud) -> None:
    inline = {"name": "inline", "imageName": "img:9", "containerDiskInGb": 5, "config": {}, "startScript": ""}
    made = await save(cloud, template=inline)
    assert made["template"]["imageName"] == "img:9"
    message = await refused(
        cloud, SAVE, input={"name": "x", "gpuIds": "NONE", "template": inline | {"name": "other"}}
    )
    assert "unknown GPU pool 'NONE'" in message
    assert [row["name"] for row in cloud.service.templates.rows.all()] == ["inline"]


async def test_volumes_bind_here_too(cloud: Cloud) -> None:
    volume = cloud.service.volumes.create({"name": "v", "size": 10, "dataCenter": "EU-RO-1"})
    id = await template(cloud)
    made = await save(cloud, templateId=id, networkVolumeIds=[{"networkVolumeId": volume["id"]}])
    assert made["networkVolumeIds"] == [{"networkVolumeId": volume["id"], "dataCenterId": "EU-RO-1"}]
    wanted = {
        "name": "x",
        "gpuIds": "ADA_24",
        "templateId": id,
        "networkVolumeId": volume["id"],
        "locations": "US-KS-2",
    }
    assert "not among dataCenterIds" in await refused(cloud, SAVE, input=wanted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"templateId": None}, "templateId must be given"),
        ({"templateId": "none"}, "template 'none' not found"),
        ({"gpuIds": ""}, "gpuIds or instanceIds must be given"),
        ({"gpuIds": "ADA_24,-NVIDIA L4"}, "'NVIDIA L4' is not a GPU type in the selected pools"),
        ({"instanceIds": ["cpu5c"]}, "not an instance id such as cpu5c-4-8"),
        ({"scalerType": "RATE"}, "scalerType must be QUEUE_DELAY"),
        ({"scalerValue": 0}, "scalerType must be QUEUE_DELAY"),
        ({"idleTimeout": 0}, "idleTimeout must be between 1 and 3600"),
        ({"workersMin": -1}, "must not be negative"),
        ({"workersMin": 5}, "workers.max (3) must not be less than workers.min (5)"),
        ({"type": "BATCH"}, "type must be QB or LB"),
        ({"type": "LB", "scalerType": "QUEUE_DELAY"}, "only support REQUEST_COUNT"),
        ({"allowedCudaVersions": "12"}, "a CUDA version is major.minor"),
        ({"gpuCount": 0}, "gpuCount must be at least 1"),
        ({"id": "none"}, "endpoint not found"),
        ({"template": {"name": "t"}}, "mutually exclusive"),
    ],
)
async def test_what_is_refused(cloud: Cloud, change: dict[str, Any], reason: str) -> None:
    given = {"name": "e", "gpuIds": "ADA_24", "templateId": await template(cloud)} | change
    assert reason in await refused(cloud, SAVE, input=given)
    assert cloud.fleet.applied == []


async def test_a_load_balancer_scales_by_requests(cloud: Cloud) -> None:
    made = await save(cloud, templateId=await template(cloud), type="LB")
    assert (made["type"], made["scalerType"]) == ("LB", "REQUEST_COUNT")
    assert (await save(cloud, id=made["id"], type="QB"))["type"] == "LB", "the type stays"
