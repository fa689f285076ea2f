"""Every control call of RunPod's official Python SDK, as it sends them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.runpod.serving import Served

runpod = pytest.importorskip("runpod", reason="the official SDK (runpod) is not installed")


@pytest.fixture(autouse=True)
def sdk(local: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in local.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runpod, "api_key", local.key)
    yield
    for pod in runpod.get_pods():
        runpod.terminate_pod(pod["id"])


def test_the_account_and_its_keys() -> None:
    user = runpod.get_user()
    assert user["id"] == "user_local"
    assert user["networkVolumes"] == []
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE me@here"
    assert runpod.update_user_settings(key)["pubKey"] == key
    assert runpod.get_user()["pubKey"] == key


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(runpod.error.AuthenticationError):
        runpod.get_user(api_key="wrong")


def test_gpus() -> None:
    gpus = {gpu["id"]: gpu for gpu in runpod.get_gpus()}
    assert gpus["NVIDIA L4"] == {"id": "NVIDIA L4", "displayName": "L4", "memoryInGb": 24}
    h200 = runpod.get_gpu("NVIDIA H200", 2)
    assert (h200["maxGpuCount"], h200["securePrice"]) == (8, 4.59)
    assert h200["lowestPrice"]["uninterruptablePrice"] == pytest.approx(9.18)
    with pytest.raises(ValueError, match="No GPU found"):
        runpod.get_gpu("NVIDIA H9000")


def test_a_gpu_pod_lives_and_ends(local: Served) -> None:
    made = runpod.create_pod(
        "tune",
        "img:1",
        "NVIDIA H200",
        cloud_type="SECURE",
        gpu_count=2,
        volume_in_gb=20,
        container_disk_in_gb=30,
        ports="8888/http, 22/tcp",
        docker_args="python train.py",
        env={"A": "1", "B": "two words"},
        data_center_id="EU-RO-1",
    )
    assert made["imageName"] == "img:1"
    assert made["env"] == ["A=1", "B=two words"]
    assert made["machine"]["podHostId"].startswith(made["id"])
    record = local.pods.records[made["id"]]
    assert (record.gpu_type_id, record.gpu_count, record.args) == ("NVIDIA H200", 2, "python train.py")
    assert (record.persistent, record.disk_gib, record.ports) == (
        (20, "/runpod-volume"),
        30,
        ("8888/http", "22/tcp"),
    )
    pod = runpod.get_pod(made["id"])
    assert (pod["desiredStatus"], pod["gpuCount"], pod["volumeInGb"]) == ("RUNNING", 2, 20)
    assert {port["privatePort"] for port in pod["runtime"]["ports"]} == {8888, 22}
    assert [listed["id"] for listed in runpod.get_pods()] == [made["id"]]
    assert runpod.stop_pod(made["id"]) == {"id": made["id"], "desiredStatus": "EXITED"}
    assert runpod.resume_pod(made["id"], gpu_count=2)["desiredStatus"] == "RUNNING"
    runpod.terminate_pod(made["id"])
    assert runpod.get_pod(made["id"]) is None
    with pytest.raises(runpod.error.QueryError, match="pod not found"):
        runpod.stop_pod(made["id"])


def test_a_cpu_pod_wants_an_instance() -> None:
    made = runpod.create_pod("build", "img:1", instance_id="cpu5c-4-8")
    pod = runpod.get_pod(made["id"])
    assert (pod["vcpuCount"], pod["memoryInGb"], pod["gpuCount"]) == (4.0, 8.0, 0)
    with pytest.raises(runpod.error.QueryError, match="instanceId must be given"):
        runpod.create_pod("build", "img:1")


def test_a_pod_finds_the_place_of_its_volume(local: Served) -> None:
    wanted = {"name": "v", "size": 10, "dataCenter": "US-KS-2"}
    volume = local.do(lambda service: service.volumes.create(wanted))
    made = runpod.create_pod("tune", "img:1", "NVIDIA L4", network_volume_id=volume["id"])
    record = local.pods.records[made["id"]]
    assert (record.data_center_id, record.network_volume) == ("US-KS-2", (volume["id"], "/runpod-volume"))
    runpod.terminate_pod(made["id"])
    local.do(lambda service: service.volumes.delete(volume["id"]))


def template(name: str, **options: Any) -> dict[str, Any]:
    return dict(runpod.create_template(name, "img:1", is_serverless=True, **options))


def test_templates_and_endpoints(local: Served) -> None:
    made = template("worker", env={"A": "1"}, docker_start_cmd='sh -c "x"', container_disk_in_gb=15)
    assert made["dockerArgs"] == 'sh -c "x"'
    assert made["env"] == [{"key": "A", "value": "1"}]
    with pytest.raises(runpod.error.QueryError, match="name must be unique"):
        template("worker")
    endpoint = runpod.create_endpoint(
        "search",
        made["id"],
        gpu_ids="AMPERE_24,-NVIDIA RTX A5000",
        locations="EU-RO-1,US-KS-2",
        flashboot=True,
        workers_max=5,
        gpu_count=2,
        allowed_cuda_versions="12.8,12.9",
    )
    assert endpoint["templateId"] == made["id"]
    assert endpoint["gpuIds"] == "AMPERE_24,-NVIDIA RTX A5000"
    assert (endpoint["workersMax"], endpoint["idleTimeout"], endpoint["flashBootType"]) == (5, 5, "FLASHBOOT")
    assert endpoint["locations"] == "EU-RO-1,US-KS-2"
    applied = local.fleet.applied[-1]
    assert (applied.image, applied.env, applied.excluded_types) == (
        "img:1",
        {"A": "1"},
        ("NVIDIA RTX A5000",),
    )
    listed = runpod.get_endpoints()
    assert [(item["id"], item["version"], item["type"]) for item in listed] == [(endpoint["id"], 1, "QB")]
    other = template("worker-2", env={"A": "2"})
    moved = runpod.update_endpoint_template(endpoint["id"], other["id"])
    assert moved == {"id": endpoint["id"], "templateId": other["id"]}
    assert local.fleet.applied[-1].env == {"A": "2"}
    assert runpod.get_endpoints()[0]["version"] == 2


def test_registry_credentials() -> None:
    made = runpod.create_container_registry_auth("ghcr", "user", "canary-password")
    assert made["name"] == "ghcr"
    assert runpod.update_container_registry_auth(made["id"], "user", "other") == made
    assert runpod.delete_container_registry_auth(made["id"]) is None
    with pytest.raises(runpod.error.QueryError, match="registry not found"):
        runpod.delete_container_registry_auth(made["id"])


def test_when_graphql_is_retired_the_sdk_stops_working(local: Served) -> None:
    local.do(lambda service: service.settings.set("retired.graphql=true"))
    try:
        with pytest.raises(runpod.error.QueryError, match="retired"):
            runpod.get_pods()
    finally:
        local.do(lambda service: service.settings.set("retired.graphql=false"))
