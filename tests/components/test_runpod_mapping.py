"""One declaration in RunPod's terms, and each reason why RunPod cannot run another."""

from typing import Any

import pytest

from components.runpod_mapping import environment, to_runpod
from infra.catalog import load
from infra.spec.declarations import EndpointSpec, parse

VOLUME = {"volume": "v", "data_center": "EU-RO-1"}


def mapped(**values: Any) -> tuple[dict[str, Any], dict[str, str]]:
    spec = parse(EndpointSpec, {"cloud": "runpod", **values}, subject="x")
    arguments, problems = to_runpod(spec, load())
    return arguments, {problem.path: problem.message for problem in problems}


def test_a_whole_declaration_maps() -> None:
    arguments, problems = mapped(
        gpu="L4",
        gpu_count=2,
        workers={"min": 1, "max": 4},
        idle_timeout_s=30,
        scaler={"type": "queue_delay", "value": 2},
        timeout_s=120,
        fast_boot=True,
        regions=["EU-RO-1"],
        disk_gib=20,
        volumes=[{"volume": "vol1", "data_center": "EU-RO-1"}],
        registry="cred1",
    )
    assert problems == {}
    assert arguments["type"] == "QUEUE"
    assert arguments["registry_id"] == "cred1"
    assert "args" not in arguments
    assert arguments["workers"] == {"min": 1, "max": 4, "idle_timeout": 30}
    assert arguments["scaling"] == {"type": "QUEUE_DELAY", "queue_delay": 2}
    assert arguments["timeout_ms"] == 120_000
    assert arguments["flashboot"] == "FLASHBOOT"
    assert arguments["data_center_ids"] == ["EU-RO-1"]
    assert arguments["network_volumes"] == ["vol1"]
    assert arguments["disk"] == 20
    assert arguments["gpu"]["pools"] == ["AMPERE_24"]
    assert arguments["gpu"]["count"] == 2


def test_a_class_excludes_the_other_cards_of_its_pool() -> None:
    arguments, _ = mapped(gpu="L4")
    excluded = arguments["gpu"]["excluded_types"]
    assert "NVIDIA RTX A5000" in excluded
    assert "NVIDIA L4" not in excluded


@pytest.mark.parametrize(
    ("values", "path", "text"),
    [
        ({"gpu": "L5"}, "gpu[0]", "L4"),
        ({"gpu": ["L4", "T4"]}, "gpu[1]", "RunPod serverless offers no T4"),
        ({"gpu": "L4", "workers": {"buffer": 1}}, "workers.buffer", "raise workers.min"),
        ({"gpu": "L4", "auth": "none"}, "auth", "API key"),
        (
            {"gpu": "L4", "kind": "load_balancer", "scaler": {"type": "queue_delay", "value": 2}},
            "scaler",
            "REQUEST_COUNT only",
        ),
        ({"gpu": "L4", "kind": "load_balancer", "auth": "none"}, "auth", "API key"),
        ({"gpu": "L4", "volumes": [VOLUME | {"read_only": True}]}, "volumes[0].read_only", "or use Modal"),
        (
            {"gpu": "L4", "volumes": [VOLUME | {"sub_path": "a"}]},
            "volumes[0].sub_path",
            "mounts a network volume whole",
        ),
        (
            {"gpu": "L4", "volumes": [VOLUME | {"path": "/models"}]},
            "volumes[0].path",
            "Wanted: /runpod-volume",
        ),
        ({"gpu": "L4", "volumes": [{"volume": "v"}]}, "volumes[0].data_center", "no worker starts elsewhere"),
        ({"gpu": "L4", "volumes": [VOLUME, VOLUME]}, "volumes[1]", "volumes[0] is in EU-RO-1, too"),
        (
            {"gpu": "L4", "volumes": [VOLUME], "regions": ["EU-RO-1", "US-KS-2"]},
            "regions[1]",
            "a worker in US-KS-2 would be without its volume, which is in EU-RO-1",
        ),
        ({}, "gpu", "neither gpu nor cpu"),
        ({"gpu": "auto"}, "gpu", "GPU classes by name"),
        (
            {"gpu": "L4", "idle_timeout_s": 9, "scaler": {"type": "request_count", "value": 3}},
            "idle_timeout_s",
            "422",
        ),
        ({"cpu": {"vcpu": 2, "memory_gib": 100}}, "cpu.memory_gib", "more vcpu"),
    ],
)
def test_what_runpod_cannot_do_is_refused_with_the_reason(
    values: dict[str, Any], path: str, text: str
) -> None:
    _, problems = mapped(**values)
    assert list(problems) == [path]
    assert text in problems[path]


def test_all_refusals_come_at_once() -> None:
    _, problems = mapped(gpu=["L5", "T4"], workers={"buffer": 2}, auth="none")
    assert set(problems) == {"gpu[0]", "gpu[1]", "workers.buffer", "auth"}


def test_request_count_leaves_the_idle_timeout_out() -> None:
    arguments, problems = mapped(gpu="L4", scaler={"type": "request_count", "value": 3})
    assert problems == {}
    assert arguments["scaling"] == {"type": "REQUEST_COUNT", "request_count": 3}
    assert "idle_timeout" not in arguments["workers"]


def test_a_load_balancer_scales_on_requests_and_keeps_idle_workers_for_a_while() -> None:
    arguments, problems = mapped(gpu="L4", kind="load_balancer", concurrency=8, idle_timeout_s=30)
    assert problems == {}
    assert (arguments["type"], arguments["args"]) == ("LOAD_BALANCER", "http")
    assert arguments["scaling"] == {"type": "REQUEST_COUNT", "request_count": 8}
    assert arguments["workers"]["idle_timeout"] == 30


def test_workers_run_only_where_their_volumes_are() -> None:
    mounts = [VOLUME, {"volume": "w", "data_center": "US-KS-2"}]
    arguments, problems = mapped(gpu="L4", volumes=mounts)
    assert problems == {}
    assert arguments["data_center_ids"] == ["EU-RO-1", "US-KS-2"]
    assert arguments["network_volumes"] == ["v", "w"]


@pytest.mark.parametrize(
    ("cpu", "flavors", "vcpu"),
    [
        ({"vcpu": 2}, ["cpu3c", "cpu5c"], 2),
        ({"vcpu": 3}, ["cpu3c", "cpu5c"], 4),
        ({"vcpu": 2, "memory_gib": 6}, ["cpu3g", "cpu5g"], 2),
    ],
)
def test_cpu_takes_the_leanest_flavors_that_fit(cpu: dict[str, Any], flavors: list[str], vcpu: int) -> None:
    arguments, problems = mapped(cpu=cpu)
    assert problems == {}
    assert arguments["cpu"] == [{"id": flavor, "vcpu_count": vcpu} for flavor in flavors]


def test_a_worker_learns_where_its_volume_is() -> None:
    values = {"env": {"A": "1"}, "concurrency": 8, "volumes": [VOLUME]}
    spec = parse(EndpointSpec, values, subject="x")
    assert environment(spec) == {
        "A": "1",
        "PILOTLIGHT_VOLUME": "/runpod-volume",
        "PILOTLIGHT_CONCURRENCY": "8",
    }
