"""A pod's life: started, stopped, ended, changed in place or replaced, and its last words when it fails."""

from typing import Any

import pytest

from infra.localcloud.runpod.model import LogLine, PodStatus, PodView
from tests.runpod.engine import Failed, Refused
from tests.runpod.programs import CPU_POD, POD, VOLUME
from tests.runpod.world import World

pytestmark = pytest.mark.anyio

NAME = "Pod/tune"


async def pod(world: World) -> dict[str, Any]:
    (raw,) = await world.all("pods")
    return raw


def become(world: World, *statuses: PodStatus) -> None:
    """Whenever the provider waits, the pod's next status comes on; the last one stays."""
    remaining = list(statuses)

    def next_status() -> None:
        for id in world.pods.records:
            if remaining:
                world.pods.views[id] = PodView(remaining.pop(0), 1_800_000_000.0)

    world.clock.on_sleep = next_status


def start_as(world: World, status: PodStatus) -> None:
    """A new or restarted pod is `status` first."""
    apply = world.pods.apply

    async def applied(record: Any) -> None:
        await apply(record)
        if record.running:
            world.pods.views[record.id] = PodView(status)

    world.pods.apply = applied  # type: ignore[method-assign]


async def test_a_pod_is_waited_for_and_tells_where_it_is(world: World) -> None:
    start_as(world, PodStatus.PROVISIONING)
    become(world, PodStatus.STARTING, PodStatus.RUNNING)
    await world.engine.up(NAME, POD | {"ports": ["8000/http", "22/tcp"]})
    assert world.link.said == ["pod is PROVISIONING", "pod is STARTING"]
    state = world.engine.state[NAME].plain
    assert (state["status"], state["storage"], state["desiredState"]) == ("RUNNING", "NONE", "RUNNING")
    assert state["dataCenter"]
    assert state["costUsdPerHour"] > 0


async def test_the_addresses_of_its_ports(world: World) -> None:
    await world.engine.up(NAME, POD | {"ports": ["8000/http", "22/tcp"]})
    addresses = world.engine.state[NAME].plain["addresses"]
    assert set(addresses) == {"8000/http", "22/tcp"}
    assert addresses["8000/http"].startswith("http")


async def test_one_that_fails_says_its_last_words_and_keeps_its_id(world: World) -> None:
    start_as(world, PodStatus.STARTING)
    become(world, PodStatus.ERROR)
    world.pods.lines = [LogLine(float(n), n, "container", f"step {n}") for n in range(30)]
    world.pods.lines.append(LogLine(99.0, 99, "container", "CUDA error: no kernel image"))
    with pytest.raises(Failed) as caught:
        await world.engine.up(NAME, POD)
    assert "is ERROR instead of RUNNING" in str(caught.value)
    assert "CUDA error: no kernel image" in str(caught.value)
    assert "step 3\n" not in str(caught.value)
    assert world.engine.state[NAME].id == (await pod(world))["id"]
    become(world, PodStatus.RUNNING)
    assert await world.engine.up(NAME, POD) == "update"
    assert world.engine.state[NAME].init_errors == []


async def test_no_machine_in_time_says_so_within_the_timeout(world: World) -> None:
    start_as(world, PodStatus.PROVISIONING)
    with pytest.raises(Failed, match="has not found a machine"):
        await world.engine.up(NAME, POD, timeout=60)
    # The server's own keep-alive of the log stream uses this clock too.
    assert sum(seconds for seconds in world.clock.slept if seconds <= 5) <= 60


async def test_a_stopped_pod_keeps_its_id_and_starts_again(world: World) -> None:
    assert await world.engine.up(NAME, POD | {"desiredState": "STOPPED"}) == "create"
    raw = await pod(world)
    assert raw["status"] == "EXITED"
    assert await world.engine.up(NAME, POD | {"desiredState": "STOPPED"}) == "same"
    assert await world.engine.up(NAME, POD) == "update"
    assert await world.engine.up(NAME, POD | {"desiredState": "STOPPED"}) == "update"
    assert (await pod(world))["id"] == raw["id"]


async def test_one_that_has_stopped_by_itself_is_drift_and_named(world: World) -> None:
    await world.engine.up(NAME, POD)
    world.pods.ends(world.engine.state[NAME].id)
    await world.restart()
    await world.engine.refresh(NAME)
    assert any("has stopped by itself (EXITED)" in text for text in world.link.warned)
    diff = await world.engine.diff(NAME, await world.engine.check(NAME, POD))
    assert list(diff.fields) == ["desiredState"]
    assert await world.engine.up(NAME, POD) == "update"
    assert (await pod(world))["status"] == "RUNNING"


async def test_one_that_runs_once_may_end_and_runs_again_only_when_its_container_changes(
    world: World,
) -> None:
    once = POD | {"desiredState": "ONCE"}
    await world.engine.up(NAME, once)
    world.pods.ends(world.engine.state[NAME].id)
    await world.restart()
    await world.engine.refresh(NAME)
    assert world.link.warned == []
    assert world.engine.state[NAME].plain["status"] == "EXITED"
    assert await world.engine.up(NAME, once) == "same"
    assert await world.engine.up(NAME, once | {"name": "renamed"}) == "update"
    assert (await pod(world))["status"] == "EXITED"
    assert await world.engine.up(NAME, once | {"env": {"EPOCHS": "3"}}) == "update"
    assert (await pod(world))["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("changes", "patched"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"image": "i2"}, {"image": "i2"}),
        ({"args": "--fast"}, {"args": "--fast"}),
        ({"disk": 50}, {"disk": 50}),
        ({"ports": ["8000/http"]}, {"ports": ["8000/http"]}),
        ({"locked": True}, {"locked": True}),
    ],
)
async def test_a_change_is_made_in_place(
    world: World, changes: dict[str, Any], patched: dict[str, Any]
) -> None:
    await world.engine.up(NAME, POD)
    before = await pod(world)
    assert await world.engine.up(NAME, POD | changes) == "update"
    after = await pod(world)
    assert after["id"] == before["id"]
    assert {key: after[key] for key in patched} == patched
    assert await world.engine.up(NAME, POD | changes) == "same"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"gpu": {"id": "NVIDIA L40S"}}, "gpu"),
        ({"gpu": {"id": "NVIDIA L4", "count": 2}}, "gpu"),
        ({"cloud": "COMMUNITY"}, "cloud"),
        ({"dataCenterIds": ["EU-RO-1"]}, "dataCenterIds"),
        ({"startSsh": True}, "startSsh"),
        ({"minCudaVersion": "12.1"}, "minCudaVersion"),
        ({"volume": {"sizeGb": 20}}, "storage"),
    ],
)
async def test_what_runpod_cannot_change_replaces(world: World, changes: dict[str, Any], path: str) -> None:
    await world.engine.up(NAME, POD)
    inputs = await world.engine.check(NAME, POD | changes)
    assert (await world.engine.diff(NAME, inputs)).replaces == [path]


async def test_from_gpu_to_cpu_is_another_pod(world: World) -> None:
    await world.engine.up(NAME, POD)
    before = await pod(world)
    assert await world.engine.up(NAME, CPU_POD) == "replace"
    after = await pod(world)
    assert after["id"] != before["id"]
    assert after["cpu"]["vcpuCount"] == 4


async def test_a_mount_moves_in_place_and_its_kind_or_size_replaces(world: World) -> None:
    await world.engine.up("NetworkVolume/w", VOLUME)
    id = world.engine.state["NetworkVolume/w"].id
    mounted = POD | {"networkVolume": {"id": id}, "networkVolumeDataCenter": "EU-RO-1"}
    await world.engine.up(NAME, mounted)
    raw = await pod(world)
    assert raw["mounts"] == {"network": [{"volumeId": id, "path": "/workspace"}]}
    assert raw["dataCenterId"] == "EU-RO-1"
    moved = mounted | {"networkVolume": {"id": id, "path": "/data"}}
    assert await world.engine.up(NAME, moved) == "update"
    assert (await pod(world))["mounts"]["network"][0]["path"] == "/data"
    inputs = await world.engine.check(NAME, POD | {"volume": {"sizeGb": 20}})
    assert "storage" in (await world.engine.diff(NAME, inputs)).replaces
    other = await world.engine.check(NAME, mounted | {"networkVolume": {"id": "another"}})
    assert (await world.engine.diff(NAME, other)).replaces == ["networkVolume"]


async def test_a_lock_is_taken_off_before_a_change_and_put_on_after_one(world: World) -> None:
    await world.engine.up(NAME, POD | {"locked": True})
    assert (await pod(world))["locked"]
    assert await world.engine.up(NAME, POD | {"image": "i2"}) == "update"
    raw = await pod(world)
    assert (raw["locked"], raw["image"]) == (False, "i2")


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"cpu": {"id": "cpu5c"}}, "cpu", "both gpu and cpu"),
        ({"gpu": None}, "gpu", "neither gpu nor cpu"),
        ({"gpu": {"id": "AMPERE_24"}}, "gpu.id", "is a pool"),
        ({"gpu": {"id": "L4"}}, "gpu.id", "NVIDIA L4"),
        ({"gpu": {"id": "nvidia l4"}}, "gpu.id", "did you mean NVIDIA L4"),
        ({"gpu": {"id": "NVIDIA L4", "count": 0}}, "gpu.count", "found 0"),
        ({"image": ""}, "image", "empty"),
        ({"disk": 0}, "disk", "at least 1"),
        ({"ports": ["8000/udp"]}, "ports[0]", "8000/http"),
        ({"volume": {"sizeGb": 9}}, "volume.sizeGb", "at least 10"),
        ({"volume": {"sizeGb": 10, "path": "x"}}, "volume.path", "absolute"),
        ({"volume": {"sizeGb": 10}, "networkVolume": {"id": "v"}}, "volume", "one of them"),
        ({"networkVolume": {"id": "v"}, "cloud": "COMMUNITY"}, "cloud", "SECURE"),
        ({"networkVolume": {"id": ""}}, "networkVolume.id", "empty"),
        (
            {
                "networkVolume": {"id": "v"},
                "networkVolumeDataCenter": "EU-RO-1",
                "dataCenterIds": ["EU-CZ-1"],
            },
            "dataCenterIds[0]",
            "which is in EU-RO-1",
        ),
        ({"minCudaVersion": "12.1", "allowedCudaVersions": ["12.8"]}, "minCudaVersion", "not both"),
        ({"gpu": None, "cpu": {"id": "cpu9x"}}, "cpu.id", "not a CPU flavor"),
        ({"gpu": None, "cpu": {"id": "cpu5c", "vcpuCount": 3}}, "cpu.vcpuCount", "power of two"),
        ({"gpu": None, "cpu": {"id": "cpu5c"}, "volume": {"sizeGb": 10}}, "volume", "networkVolume"),
        ({"gpu": None, "cpu": {"id": "cpu5c"}, "minCudaVersion": "12.1"}, "minCudaVersion", "no CUDA"),
        ({"gpu": None, "cpu": {"id": "cpu5c"}, "globalNetworking": True}, "globalNetworking", "GPU"),
        ({"desiredState": "RUNING"}, "desiredState", "RUNNING"),
        ({"intentt": {}}, "intentt", "intent"),
    ],
)
async def test_a_fault_is_refused_at_its_property(
    world: World, changes: dict[str, Any], path: str, says: str
) -> None:
    program = {key: value for key, value in (POD | changes).items() if value is not None}
    with pytest.raises(Refused) as caught:
        await world.engine.preview(NAME, program)
    assert says in caught.value.failures[path]
    assert world.requests == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"gpu": {"id": "NVIDIA Z900"}}, "gpu.id"),
        ({"gpu": {"id": "NVIDIA L4", "count": 99}}, "gpu"),
        ({"networkVolume": {"id": "nosuch"}}, "networkVolume.id"),
        ({"dataCenterIds": ["XX-1"]}, "dataCenterIds"),
    ],
)
async def test_what_only_runpod_knows_is_refused_at_its_property(
    world: World, changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(Failed) as caught:
        await world.engine.up(NAME, POD | changes)
    assert str(caught.value).startswith(place), str(caught.value)
    assert await world.all("pods") == []


async def test_an_imported_pod_is_not_restarted_for_a_mark(world: World) -> None:
    body = {"name": "console", "image": "i", "gpu": {"id": "NVIDIA L4", "count": 1}, "env": {"A": "b"}}
    made = await world.call("POST", "/v2/pods", body)
    await world.engine.adopt(NAME, made["id"])
    program = {"name": "renamed", "image": "i", "gpu": {"id": "NVIDIA L4"}, "env": {"A": "b"}}
    assert await world.engine.up(NAME, program) == "update"
    raw = await pod(world)
    assert (raw["name"], raw["env"]) == ("renamed", {"A": "b"})


async def test_a_card_that_is_sold_out_says_where_to_look(world: World) -> None:
    world.settings.stock = {"*": {"NVIDIA L4": "NONE"}}
    with pytest.raises(Failed, match=r"^gpu") as caught:
        await world.engine.up(NAME, POD)
    assert "getGpuClasses has the stock" in str(caught.value)
    assert await world.all("pods") == []


async def test_a_locked_pod_is_not_stopped_and_says_why(world: World) -> None:
    await world.engine.up(NAME, POD | {"locked": True})
    with pytest.raises(Failed, match=r"^locked: .*locked"):
        await world.engine.up(NAME, POD | {"locked": True, "desiredState": "STOPPED"})
    assert await world.engine.up(NAME, POD | {"desiredState": "STOPPED"}) == "update"
    assert (await pod(world))["status"] == "EXITED"


@pytest.mark.parametrize("kind", ["lost_answer", "drop_before", "server_error"])
async def test_a_start_whose_answer_is_lost_is_looked_after(world: World, kind: str) -> None:
    await world.engine.up(NAME, POD | {"desiredState": "STOPPED"})
    world.strike(bad={"kind": kind, "methods": ["POST"], "times": 1})
    await world.engine.up(NAME, POD)
    assert (await pod(world))["status"] == "RUNNING"


async def test_who_does_not_want_to_wait_does_not(world: World) -> None:
    start_as(world, PodStatus.PROVISIONING)
    await world.engine.up(NAME, POD | {"waitForState": False})
    assert world.clock.slept == []


async def test_the_secrets_of_its_environment_stay_secret(world: World) -> None:
    from tests.runpod.engine import secret

    canary = "canary-pod-5151"
    await world.engine.up(NAME, POD | {"env": {"TOKEN": secret(canary)}})
    assert (await pod(world))["env"]["TOKEN"] == canary
    await world.restart()
    await world.engine.refresh(NAME)
    entry = world.engine.state[NAME]
    assert canary not in repr([entry.inputs, entry.outputs])
