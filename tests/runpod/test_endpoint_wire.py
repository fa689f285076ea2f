"""Inputs to RunPod's JSON and back: complete on create, sparse and safe on update, no noise on read."""

from typing import Any

import pytest

from infra.kit.wire import to_wire
from infra.runpod.endpoint_model import EndpointInputs
from infra.runpod.endpoint_wire import create_body, moves_workers, patch_body, state

MARK = "pl-aaaaaaaa-bbbbbbbbbb-cccccccc"
DECLARED: dict[str, Any] = {
    "name": "search",
    "image": "registry/search@sha256:1",
    "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]},
    "env": {"TOKEN": "t"},
}


def inputs(**changes: Any) -> EndpointInputs:
    return EndpointInputs.model_validate({k: v for k, v in (DECLARED | changes).items() if v is not None})


def answer(**changes: Any) -> dict[str, Any]:
    """The endpoint of `inputs()` as RunPod answers."""
    raw: dict[str, Any] = {
        "id": "e1",
        "name": "search",
        "type": "QUEUE",
        "image": "registry/search@sha256:1",
        "gpu": {
            "pools": ["AMPERE_24"],
            "excludedTypes": ["NVIDIA L4"],
            "count": 1,
            "allowedCudaVersions": [],
            "minCudaVersion": None,
        },
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4.0},
        "timeout": 300000,
        "env": {"TOKEN": "t", "PILOTLIGHT_MARK": MARK},
        "args": "",
        "disk": 20,
        "ports": [],
        "registry": None,
        "dataCenterIds": [],
        "flashboot": "OFF",
        "networkVolumes": [],
        "requestUrls": dict.fromkeys(
            ("run", "runSync", "status", "stream", "cancel", "retry", "purgeQueue", "health"), "http://x"
        ),
        "createdAt": "2026-11-24T00:00:00Z",
    }
    return {k: v for k, v in (raw | changes).items() if v is not None or k == "registry"}


def test_a_create_says_everything_and_carries_the_mark() -> None:
    assert create_body(inputs(), MARK) == {
        "type": "QUEUE",
        "name": "search",
        "image": "registry/search@sha256:1",
        "gpu": {
            "pools": ["AMPERE_24"],
            "excludedTypes": ["NVIDIA L4"],
            "count": 1,
            "allowedCudaVersions": [],
        },
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"min": 0, "max": 3},
        "timeout": 300000,
        "env": {"TOKEN": "t", "PILOTLIGHT_MARK": MARK},
        "args": "",
        "ports": [],
        "dataCenterIds": [],
        "flashboot": "OFF",
        "networkVolumes": [],
    }


def test_a_cpu_create_has_no_gpu_and_a_request_count_no_idle_timeout() -> None:
    body = create_body(
        inputs(gpu=None, cpu=[{"id": "cpu5c", "vcpuCount": 4}], scaling={"type": "REQUEST_COUNT"}, disk=5),
        MARK,
    )
    assert "gpu" not in body
    assert body["cpu"] == [{"id": "cpu5c", "vcpuCount": 4}]
    assert body["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 4}
    assert body["workers"] == {"min": 0, "max": 3}
    assert body["disk"] == 5


def test_what_is_as_declared_needs_no_patch() -> None:
    assert patch_body(answer(), inputs(), MARK) == {}


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"image": "i2"}, {"image": "i2"}),
        ({"timeoutMs": 5000}, {"timeout": 5000}),
        ({"args": "--x"}, {"args": "--x"}),
        ({"disk": 30}, {"disk": 30}),
        ({"ports": ["80/http"]}, {"ports": ["80/http"]}),
        ({"registryId": "r1"}, {"registry": "r1"}),
        ({"dataCenterIds": ["EU-RO-1"]}, {"dataCenterIds": ["EU-RO-1"]}),
        ({"flashboot": "FLASHBOOT"}, {"flashboot": "FLASHBOOT"}),
        ({"networkVolumes": ["v1"]}, {"networkVolumes": ["v1"]}),
        ({"workers": {"max": 5}}, {"workers": {"min": 0, "max": 5, "idleTimeout": 10}}),
        ({"workers": {"idleTimeout": 7}}, {"workers": {"min": 0, "max": 3, "idleTimeout": 7}}),
        ({"scaling": {"queueDelay": 8}}, {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 8}}),
        ({"env": {"A": "b"}}, {"env": {"A": "b", "PILOTLIGHT_MARK": MARK}}),
        ({"env": None}, {"env": {"PILOTLIGHT_MARK": MARK}}),
    ],
)
def test_a_patch_says_only_what_changes_and_an_environment_keeps_the_mark(
    changes: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert patch_body(answer(), inputs(**changes), MARK) == patch


def test_a_gpu_patch_always_restates_the_exclusions_and_clears_the_other_cuda_rule() -> None:
    wanted = inputs(gpu={"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"], "count": 2})
    assert patch_body(answer(), wanted, MARK)["gpu"] == {
        "pools": ["AMPERE_24"],
        "excludedTypes": ["NVIDIA L4"],
        "count": 2,
        "allowedCudaVersions": [],
        "minCudaVersion": "",
    }


def test_switching_the_scaler_says_it_whole_and_drops_the_idle_timeout() -> None:
    patch = patch_body(answer(), inputs(scaling={"type": "REQUEST_COUNT", "requestCount": 2}), MARK)
    assert patch == {"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}
    back = answer(scaling={"type": "REQUEST_COUNT", "requestCount": 2}, workers={"min": 0, "max": 3})
    assert patch_body(back, inputs(), MARK) == {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}


def test_what_is_left_to_runpod_is_left_alone() -> None:
    current = answer(scaling={"type": "QUEUE_DELAY", "queueDelay": 9}, disk=77)
    assert patch_body(current, inputs(timeoutMs=5000), MARK) == {"timeout": 5000}


def test_a_missing_mark_alone_restarts_nobodys_workers() -> None:
    assert patch_body(answer(env={"TOKEN": "t"}), inputs(), MARK) == {}
    assert patch_body(answer(env={"TOKEN": "t"}), inputs(env={"TOKEN": "u"}), MARK) == {
        "env": {"TOKEN": "u", "PILOTLIGHT_MARK": MARK}
    }


def test_only_what_moves_workers_is_waited_for() -> None:
    assert moves_workers({"image": "i2", "name": "n"})
    assert moves_workers({"workers": {"min": 1}})
    assert not moves_workers({"name": "n", "timeout": 5000, "scaling": {}, "flashboot": "OFF"})


def test_a_read_gives_every_managed_input_back_without_the_mark() -> None:
    read = state(answer(), inputs())
    expected = to_wire(inputs()) | {"disk": 20}
    expected["workers"] |= {"idleTimeout": 10}
    expected["scaling"] |= {"queueDelay": 4.0}
    found = to_wire(read)
    assert {key: found[key] for key in expected} == expected
    assert "PILOTLIGHT_MARK" not in found["env"]
    assert found["computeFamily"] == "GPU"
    assert found["requestUrls"]["runSync"] == "http://x"


def test_order_and_spacing_are_no_difference() -> None:
    hint = inputs(
        gpu={"pools": ["AMPERE_48", "AMPERE_16"], "excludedTypes": ["NVIDIA  RTX A4500"]},
        dataCenterIds=["US-TX-3", "EU-RO-1"],
    )
    raw = answer(
        gpu={"pools": ["AMPERE_16", "AMPERE_48"], "excludedTypes": ["NVIDIA RTX A4500"], "count": 1},
        dataCenterIds=["EU-RO-1", "US-TX-3"],
    )
    read = state(raw, hint)
    assert read.gpu == hint.gpu
    assert read.data_center_ids == hint.data_center_ids
    assert patch_body(raw, hint, MARK) == {}


def test_a_real_difference_in_a_list_is_shown_as_runpod_has_it() -> None:
    read = state(answer(dataCenterIds=["EU-RO-1"]), inputs(dataCenterIds=["US-TX-3", "EU-RO-1"]))
    assert read.data_center_ids == ["EU-RO-1"]


def test_fields_that_nobody_knows_yet_are_passed_over() -> None:
    raw = answer(shiny=True, workers={"min": 0, "max": 3, "idleTimeout": 10, "standby": 2}, userId="u")
    assert state(raw, None).workers.max == 3


def test_a_load_balancer_has_a_root_in_place_of_job_routes() -> None:
    found = state(answer(type="LOAD_BALANCER", requestUrls={"base": "b", "health": "h"}), None)
    assert (found.type.value, found.url, found.request_urls.base, found.request_urls.run) == (
        "LOAD_BALANCER",
        "b",
        "b",
        None,
    )
