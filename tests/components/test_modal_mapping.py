"""One declaration in Modal's terms, and each reason why Modal cannot run another."""

from decimal import Decimal
from typing import Any

import pytest

from components.modal_mapping import image_chain, to_modal
from infra.catalog import load
from infra.planning.money import usd_per_spec_hour
from infra.spec.declarations import EndpointSpec, ImageSpec, parse


def spec(**values: Any) -> EndpointSpec:
    return parse(EndpointSpec, {"cloud": "modal", **values}, subject="x")


def mapped(**values: Any) -> tuple[dict[str, Any], dict[str, str]]:
    service, problems = to_modal(spec(**values), load())
    return service, {problem.path: problem.message for problem in problems}


def test_a_whole_declaration_maps() -> None:
    service, problems = mapped(
        gpu=["L4", "A10G"],
        gpu_count=2,
        workers={"min": 1, "max": 4, "buffer": 2},
        idle_timeout_s=30,
        concurrency=8,
        timeout_s=120,
        fast_boot=True,
        regions=["us-east"],
        disk_gib=20,
        volumes=[{"volume": "cache", "path": "/cache", "read_only": True}],
        secrets=[{"name": "hf", "env": "HF_TOKEN"}],
    )
    assert problems == {}
    assert service["gpu"] == ["L4:2", "A10:2"]
    assert (service["min_containers"], service["max_containers"], service["buffer_containers"]) == (1, 4, 2)
    assert service["scaledown_window_s"] == 30
    assert service["max_concurrent_inputs"] == 8
    assert service["timeout_s"] == 120
    assert service["memory_snapshot"] is True
    assert service["regions"] == ["us-east"]
    assert service["ephemeral_disk_mib"] == 20 * 1024
    assert service["volumes"] == {"/cache": {"name": "cache", "sub_path": None, "read_only": True}}
    assert service["secrets"] == [{"name": "hf", "required_keys": ["HF_TOKEN"]}]
    assert service["web"] == {"requires_proxy_auth": True}


def test_a_load_balancer_is_the_same_web_address() -> None:
    service, problems = mapped(gpu="L4", kind="load_balancer")
    assert problems == {}
    assert service == mapped(gpu="L4")[0]


def test_without_auth_the_address_is_open() -> None:
    assert mapped(gpu="L4", auth="none")[0]["web"] == {"requires_proxy_auth": False}


@pytest.mark.parametrize(
    ("values", "path", "text"),
    [
        ({"gpu": "L5"}, "gpu[0]", "L4"),
        ({"gpu": ["L4", "H100-PCIe"]}, "gpu[1]", "SXM"),
        ({"gpu": "A10G", "gpu_count": 5}, "gpu_count", "at most 4"),
        ({"gpu": "L4", "idle_timeout_s": 1}, "idle_timeout_s", "2 to 3600"),
        ({"gpu": "L4", "scaler": {"type": "queue_delay", "value": 4}}, "scaler", "workers.buffer"),
        (
            {"gpu": "L4", "volumes": [{"volume": "v", "data_center": "EU-RO-1"}]},
            "volumes[0].data_center",
            "leave data_center out",
        ),
        ({}, "gpu", "neither gpu nor cpu"),
    ],
)
def test_what_modal_cannot_do_is_refused_with_the_reason(
    values: dict[str, Any], path: str, text: str
) -> None:
    _, problems = mapped(**values)
    assert list(problems) == [path]
    assert text in problems[path]


def test_cpu_workers_ask_for_cores_and_memory() -> None:
    service, problems = mapped(cpu={"vcpu": 4, "memory_gib": 8})
    assert problems == {}
    assert (service["cpu"], service["memory_mib"], service["gpu"]) == (2, 8192, [])


def test_the_chain_takes_what_the_image_declares() -> None:
    image = ImageSpec(handler="h", python="3.12", requirements=["numpy==2.0.0"], env={"A": "1"})
    assert image_chain(image) == {"python": "3.12", "pip": ["numpy==2.0.0"], "env": {"A": "1"}}
    assert "pip" not in image_chain(ImageSpec(handler="h"))
    assert image_chain(ImageSpec(handler="h", requirements="r.txt")) == {"requirements": "r.txt", "env": {}}


def test_a_base_is_where_the_chain_begins_and_brings_its_own_python() -> None:
    base = "ghcr.io/team/cuda@sha256:" + "a" * 64
    image = ImageSpec(handler="h", base=base, python="3.11", requirements=["numpy==2.0.0"])
    assert image_chain(image) == {"registry": base, "pip": ["numpy==2.0.0"], "env": {}}


@pytest.mark.parametrize(
    ("values", "usd"),
    [
        # 0.7992 + 0.125 cores x 0.04716 + 0.125 GiB x 0.007992
        ({"gpu": "L4"}, "0.806094"),
        # 2 vCPU are one core; 4 GiB
        ({"cpu": {"vcpu": 2, "memory_gib": 4}}, "0.079128"),
        # the dearer of the two, twice
        ({"gpu": ["L4", "A10G"], "gpu_count": 2}, "2.210094"),
    ],
)
def test_a_worker_s_price_has_cores_and_memory_on_top(values: dict[str, Any], usd: str) -> None:
    assert usd_per_spec_hour(spec(**values), load(), load().prices()) == Decimal(usd)
