"""Pods: what may be asked for, the states between which they go, and what is read back."""

import json
from typing import Any

import pytest

from infra.localcloud.runpod.model import LogLine, PodStatus
from tests.localcloud.rest.fakes import Cloud

pytestmark = pytest.mark.anyio

PATH = "/v2/pods"
POD = {"name": "tune", "image": "img:1", "gpu": {"id": "NVIDIA A100-SXM4-80GB", "count": 2}}
CPU_POD = {"name": "build", "image": "img:1", "cpu": {"id": "cpu5c", "vcpuCount": 4}}
T0 = 1_800_000_000.0


async def pod(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    status, made = await cloud.call("POST", PATH, POD | fields)
    assert status == 201, made
    return dict(made)


async def act(cloud: Cloud, id: str, action: str) -> tuple[int, Any]:
    return await cloud.call("POST", f"{PATH}/{id}/action", {"action": action})


async def volume(cloud: Cloud, place: str = "US-KS-2") -> str:
    body = {"name": "v", "size": 10, "dataCenter": place}
    return str((await cloud.call("POST", "/v2/network-volumes", body))[1]["id"])


async def test_a_pod_reads_back(cloud: Cloud) -> None:
    made = await pod(cloud, env={"A": "1"}, ports=["22/tcp", "8000/http"], args="train", disk=40)
    assert made["status"] == "RUNNING"
    assert made["actions"] == ["stop", "restart", "terminate"]
    assert made["gpu"] == {"id": "NVIDIA A100-SXM4-80GB", "count": 2}
    assert "cpu" not in made
    assert made["cost"] == pytest.approx(2 * 1.79 + 40 * 0.10 / 730, abs=1e-6)
    assert made["ssh"]["direct"]["command"] == "ssh root@127.0.0.1 -p 40000"
    assert made["runtime"]["ports"][1] == {
        "private": 8000,
        "public": 40001,
        "type": "http",
        "ip": "127.0.0.1",
    }
    assert (made["template"], made["locked"], made["mounts"], made["cloud"]) == (None, False, {}, "SECURE")
    assert await cloud.call("GET", f"{PATH}/{made['id']}") == (200, made)
    assert await cloud.call("GET", PATH) == (200, {"pods": [made]})
    record = cloud.pods.records[made["id"]]
    assert (record.env, record.args, record.disk_gib, record.gpu_count) == ({"A": "1"}, "train", 40, 2)
    assert record.data_center_id == made["dataCenterId"]


async def test_a_cpu_pod_gets_its_memory(cloud: Cloud) -> None:
    status, made = await cloud.call("POST", PATH, CPU_POD)
    assert status == 201
    assert made["cpu"] == {"id": "cpu5c", "vcpuCount": 4, "memory": 8}
    assert "gpu" not in made


async def test_the_states_of_a_pod(cloud: Cloud) -> None:
    id = (await pod(cloud))["id"]
    assert (await act(cloud, id, "start"))[0] == 409
    status, stopped = await act(cloud, id, "stop")
    assert (status, stopped["status"], stopped["cost"], stopped["runtime"]) == (200, "EXITED", 0.0, None)
    assert stopped["actions"] == ["start", "terminate"]
    assert (await act(cloud, id, "restart"))[0] == 409
    assert (await act(cloud, id, "start"))[1]["status"] == "RUNNING"
    assert (await act(cloud, id, "restart"))[0] == 200
    assert await act(cloud, id, "terminate") == (204, None)
    assert (await cloud.call("GET", f"{PATH}/{id}"))[0] == 404
    assert cloud.pods.history == ["run", "stop", "run", "restart", "remove"]


async def test_one_that_ended_by_itself_starts_again(cloud: Cloud) -> None:
    id = (await pod(cloud))["id"]
    cloud.pods.ends(id)
    assert (await cloud.call("GET", f"{PATH}/{id}"))[1]["status"] == "EXITED"
    assert (await act(cloud, id, "start"))[1]["status"] == "RUNNING"
    cloud.pods.ends(id, PodStatus.ERROR)
    assert (await act(cloud, id, "start"))[1]["status"] == "RUNNING"


async def test_a_locked_pod_is_not_stopped(cloud: Cloud) -> None:
    id = (await pod(cloud))["id"]
    assert (await cloud.call("PATCH", f"{PATH}/{id}", {"locked": True}))[1]["locked"] is True
    for action in ("stop", "restart"):
        status, problem = await act(cloud, id, action)
        assert status == 409
        assert "pod is locked" in problem["detail"]
    assert cloud.pods.history == ["run", "run"]


async def test_a_patch_of_the_container_makes_a_new_one(cloud: Cloud) -> None:
    id = (await pod(cloud, env={"A": "1"}))["id"]
    await cloud.call("PATCH", f"{PATH}/{id}", {"name": "other"})
    assert cloud.pods.records[id].version == 1
    _, made = await cloud.call("PATCH", f"{PATH}/{id}", {"image": "img:2", "env": {"B": "2"}})
    assert (made["image"], made["env"], made["name"]) == ("img:2", {"B": "2"}, "other")
    assert cloud.pods.records[id].version == 2
    await cloud.call("PATCH", f"{PATH}/{id}", {"image": "img:2"})
    assert cloud.pods.records[id].version == 2


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "x"}, ["$: missing property 'image'"]),
        (POD | {"gpu": {"count": 1}}, ["$.gpu: missing property 'id'"]),
        (POD | {"gpu": {"id": "x", "count": 0}}, ["$.gpu.count: minimum: got 0, want 1"]),
        (POD | {"gpuTypeIds": ["x"]}, ["$: additional properties 'gpuTypeIds' not allowed"]),
        (POD | {"cloud": "ALL"}, ["$.cloud: value must be one of 'SECURE', 'COMMUNITY'"]),
        (POD | {"startSsh": 1}, ["$.startSsh: got number, want boolean"]),
        (POD | {"mounts": {"network": [{"volumeId": "v"}]}}, ["$.mounts.network[0]: missing property 'path'"]),
        (POD | {"mounts": {"network": [{"volumeId": "v", "path": "/w"}] * 2}}, ["$.mounts.network: maxItems: got 2, want 1"]),
        (POD | {"cpu": {"id": "cpu5c", "vcpuCount": 1}}, ["$.cpu.vcpuCount: minimum: got 1, want 2"]),
    ],
)  # fmt: skip
async def test_a_pod_that_does_not_fit(cloud: Cloud, body: Any, errors: list[str]) -> None:
    status, problem = await cloud.call("POST", PATH, body)
    assert (status, problem["errors"]) == (422, errors)
    assert cloud.pods.records == {}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (POD | {"cpu": CPU_POD["cpu"]}, 400, "exactly one of gpu or cpu"),
        ({"name": "x", "image": "i"}, 400, "exactly one of gpu or cpu"),
        (POD | {"gpu": {"id": "NVIDIA A101"}}, 400, "unknown GPU type 'NVIDIA A101'"),
        (POD | {"gpu": {"id": "NVIDIA L4", "count": 9}}, 400, "gpu.count: 9 is more than the 8"),
        (POD | {"gpu": {"id": "NVIDIA L4", "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.1"}}, 400, "mutually exclusive"),
        (POD | {"cloud": "COMMUNITY"}, 400, "no longer any instances available"),
        (POD | {"dataCenterIds": ["EU-XX-1"]}, 400, "unknown data center 'EU-XX-1'"),
        (POD | {"registry": "none"}, 400, "registry credential 'none' does not exist"),
        (POD | {"templateId": "none"}, 404, "template 'none' not found"),
        (POD | {"image": ""}, 400, "image must not be empty"),
        (POD | {"ports": ["80"]}, 400, "ports: '80' is not port/protocol"),
        (POD | {"globalNetworking": True, "dataCenterIds": ["EU-RO-1"]}, 400, "globalNetworking: only offered in US-KS-2"),
        (CPU_POD | {"globalNetworking": True}, 400, "globalNetworking: an NVIDIA GPU is required"),
        (POD | {"mounts": {"persistent": {"size": 10, "path": "/w"}, "network": []}}, 400, "mutually exclusive"),
        (POD | {"mounts": {"persistent": {"size": 10, "path": "w"}}}, 400, "'w' is not an absolute path"),
        (POD | {"mounts": {"network": [{"volumeId": "v", "path": "/w"}]}}, 400, "network volume 'v' does not exist"),
        (CPU_POD | {"mounts": {"persistent": {"size": 10, "path": "/w"}}}, 400, "not supported on CPU pods"),
        (CPU_POD | {"cpu": {"id": "cpu5c", "vcpuCount": 6}}, 400, "not a power of two"),
    ],
)  # fmt: skip
async def test_a_pod_that_makes_no_sense(cloud: Cloud, body: Any, status: int, detail: str) -> None:
    got, problem = await cloud.call("POST", PATH, body)
    assert got == status
    assert detail in problem["detail"]
    assert cloud.pods.records == {}


async def test_a_pod_goes_where_its_volume_is(cloud: Cloud) -> None:
    id = await volume(cloud)
    mounts = {"network": [{"volumeId": id, "path": "/workspace"}]}
    made = await pod(cloud, mounts=mounts)
    assert (made["dataCenterId"], made["mounts"]) == ("US-KS-2", mounts)
    assert cloud.pods.records[made["id"]].network_volume == (id, "/workspace")
    status, problem = await cloud.call("POST", PATH, POD | {"mounts": mounts, "dataCenterIds": ["EU-RO-1"]})
    assert status == 400
    assert "is in US-KS-2, which is not among dataCenterIds" in problem["detail"]
    status, problem = await cloud.call("DELETE", f"/v2/network-volumes/{id}")
    assert status == 400
    assert f"in use by pod '{made['id']}'" in problem["detail"]


@pytest.mark.parametrize(
    ("mounts", "detail"),
    [
        ({"network": []}, "clearing mounts is not supported"),
        ({"persistent": {"size": 10, "path": "/w"}}, "kind of a pod's mount is fixed"),
        ({"network": [{"volumeId": "other", "path": "/w"}]}, "volumeId of a mount is immutable"),
    ],
)
async def test_what_is_fixed_about_mounts(cloud: Cloud, mounts: Any, detail: str) -> None:
    own = {"network": [{"volumeId": await volume(cloud), "path": "/workspace"}]}
    id = (await pod(cloud, mounts=own))["id"]
    status, problem = await cloud.call("PATCH", f"{PATH}/{id}", {"mounts": mounts})
    assert status == 400
    assert detail in problem["detail"]
    moved = {"network": [own["network"][0] | {"path": "/data"}]}
    assert (await cloud.call("PATCH", f"{PATH}/{id}", {"mounts": moved}))[1]["mounts"] == moved
    assert (await cloud.call("PATCH", f"{PATH}/{id}", {"mounts": {}}))[1]["mounts"] == moved


async def test_stock_decides_where(cloud: Cloud) -> None:
    cloud.settings.update({"stock": {"EU-RO-1": {"*": "NONE"}, "US-KS-2": {"*": "LOW"}}})
    assert (await pod(cloud, dataCenterIds=["EU-RO-1", "US-KS-2"]))["dataCenterId"] == "US-KS-2"
    id = (await pod(cloud, dataCenterIds=["EU-RO-1", "US-KS-2", "EU-CZ-1"]))["id"]
    assert cloud.pods.records[id].data_center_id == "EU-CZ-1"
    status, problem = await cloud.call("POST", PATH, POD | {"dataCenterIds": ["EU-RO-1"]})
    assert (status, problem["detail"][:44]) == (400, "There are no longer any instances available ")
    await act(cloud, id, "stop")
    cloud.settings.update({"stock": {"*": {"AMPERE_80": "NONE"}}})
    assert (await act(cloud, id, "start"))[0] == 400, "a stopped pod keeps its place, not its GPU"


async def test_a_template_gives_a_pod_its_settings(cloud: Cloud) -> None:
    body = {
        "name": "t",
        "image": "img:t",
        "env": {"A": "t", "B": "t"},
        "mounts": {"persistent": {"size": 30, "path": "/keep"}},
    }
    _, template = await cloud.call("POST", "/v2/templates", body)
    status, made = await cloud.call(
        "POST", PATH, {"name": "x", "gpu": POD["gpu"], "templateId": template["id"], "env": {"B": "x"}}
    )
    assert (status, made["image"], made["env"]) == (201, "img:t", {"A": "t", "B": "x"})
    assert (made["mounts"], made["template"]) == (body["mounts"], None)
    assert cloud.pods.records[made["id"]].persistent == (30, "/keep")
    assert "JUPYTER_PASSWORD" in cloud.pods.records[made["id"]].env
    _, cpu = await cloud.call(
        "POST", PATH, {"name": "x", "cpu": CPU_POD["cpu"], "templateId": template["id"]}
    )
    assert cpu["mounts"] == {}


async def test_ssh_keys_go_to_pods_that_want_ssh(cloud: Cloud) -> None:
    key = "ssh-ed25519 AAAA me@here"
    assert await cloud.call("GET", "/v2/account/ssh-keys") == (200, {"keys": []})
    assert await cloud.call("PUT", "/v2/account/ssh-keys", {"keys": [key]}) == (200, {"keys": [key]})
    assert (await cloud.call("PUT", "/v2/account/ssh-keys", {"keys": ["ssh-ed25519"]}))[0] == 422
    made = await pod(cloud, startSsh=True, startJupyter=False)
    assert cloud.pods.records[made["id"]].env == {"PUBLIC_KEY": key}
    assert made["env"] == {}, "given at the start, not part of the pod's own settings"
    own = await pod(cloud, startSsh=True, env={"PUBLIC_KEY": "mine"})
    assert cloud.pods.records[own["id"]].env == {"PUBLIC_KEY": "mine"}


async def test_a_registry_that_a_pod_uses_stays(cloud: Cloud) -> None:
    credential = {"name": "r", "username": "u", "password": "p"}
    _, registry = await cloud.call("POST", "/v2/registries", credential)
    made = await pod(cloud, registry=registry["id"])
    assert (await cloud.call("DELETE", f"/v2/registries/{registry['id']}"))[0] == 400
    await cloud.call("DELETE", f"{PATH}/{made['id']}")
    assert (await cloud.call("DELETE", f"/v2/registries/{registry['id']}"))[0] == 204


async def test_a_pod_that_cannot_be_run_is_not_kept(cloud: Cloud) -> None:
    cloud.pods.fail = RuntimeError("no")
    assert (await cloud.call("POST", PATH, POD))[0] == 500
    assert await cloud.call("GET", PATH) == (200, {"pods": []})


async def test_a_restart_hands_pods_over_again(cloud: Cloud) -> None:
    running, stopped = await pod(cloud), await pod(cloud)
    await act(cloud, stopped["id"], "stop")
    before = dict(cloud.pods.records)
    cloud.pods.records.clear()
    await cloud.service.restore()
    assert cloud.pods.records == before
    assert before[running["id"]].running
    assert not before[stopped["id"]].running


async def test_logs_stream_and_resume(cloud: Cloud) -> None:
    id = (await pod(cloud))["id"]
    cloud.pods.lines = [
        LogLine(T0, 1, "system", "up"),
        LogLine(T0 + 1, 2, "container", "one"),
        LogLine(T0 + 2, 3, "container", "two"),
    ]

    async def lines(query: str = "", last_id: str = "") -> list[tuple[str, str]]:
        headers = {"Authorization": "Bearer local-key"} | ({"Last-Event-ID": last_id} if last_id else {})
        response = await cloud.client.get(f"{PATH}/{id}/logs{query}", headers=headers)
        assert response.headers["Content-Type"] == "text/event-stream"
        events = [event.split("\n") for event in (await response.text()).strip().split("\n\n") if event]
        return [(event[0].removeprefix("id: "), json.loads(event[1][6:])["line"]) for event in events]

    everything = await lines()
    assert [line for _, line in everything] == ["up", "one", "two"]
    assert await lines(last_id=everything[1][0]) == everything[2:]
    assert [line for _, line in await lines("?source=container&tail=2")] == ["one", "two"]
    assert (await cloud.call("GET", f"{PATH}/none/logs"))[0] == 404
    assert (await cloud.call("GET", f"{PATH}/{id}/logs?tail=5001"))[0] == 422


async def test_global_networking_is_where_it_is_offered(cloud: Cloud) -> None:
    made = await pod(cloud, globalNetworking=True)
    assert made["dataCenterId"] == "US-KS-2"
    assert made["globalNetworking"]["internalDns"] == f"{made['id']}.runpod.internal"
    _, off = await cloud.call("PATCH", f"{PATH}/{made['id']}", {"globalNetworking": False})
    assert off["globalNetworking"] == {"enabled": False}
    other = await pod(cloud, dataCenterIds=["EU-RO-1"])
    status, problem = await cloud.call("PATCH", f"{PATH}/{other['id']}", {"globalNetworking": True})
    assert (status, problem["detail"]) == (400, "globalNetworking: only offered in US-KS-2")
