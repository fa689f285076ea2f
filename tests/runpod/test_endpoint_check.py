"""What an endpoint refuses before anything is called: each fault at its property, all at once."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.kit import UNKNOWN, CheckContext
from infra.kit.check import validate
from infra.runpod.endpoint_check import failures
from infra.runpod.endpoint_model import EndpointInputs

GOOD: dict[str, Any] = {
    "name": "search",
    "image": "registry/search@sha256:1",
    "gpu": {"pools": ["AMPERE_24"]},
}
CONTEXT = cast(
    CheckContext, SimpleNamespace(known=lambda *values: all(value is not UNKNOWN for value in values))
)


def refusals(**changes: Any) -> dict[str, str]:
    inputs, invalid = validate(
        EndpointInputs, {k: v for k, v in (GOOD | changes).items() if v is not None}, []
    )
    assert isinstance(inputs, EndpointInputs)
    return {failure.path: failure.reason for failure in [*invalid, *failures(CONTEXT, inputs)]}


def test_a_good_endpoint_passes() -> None:
    assert refusals() == {}
    assert refusals(gpu=None, cpu=[{"id": "cpu5c", "vcpuCount": 4}, {"id": "cpu3c", "vcpuCount": 4}]) == {}
    assert refusals(scaling={"type": "REQUEST_COUNT", "requestCount": 2}) == {}
    assert refusals(dataCenterIds=["EU-RO-2"]) == {}, "data centers appear without notice"
    assert refusals(gpu={"pools": ["AMPERE_16"], "excludedTypes": ["NVIDIA  RTX A4500"]}) == {}


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"cpu": [{"id": "cpu5c"}]}, "cpu", "both gpu and cpu"),
        ({"gpu": None}, "gpu", "neither gpu nor cpu"),
        ({"gpu": {"pools": []}}, "gpu.pools", "no pool"),
        ({"gpu": {"pools": ["AMPERE24"]}}, "gpu.pools[0]", "did you mean AMPERE_24"),
        ({"gpu": {"pools": ["L4"]}}, "gpu.pools[0]", '["AMPERE_24"]'),
        ({"gpu": {"pools": ["T4"]}}, "gpu.pools[0]", "offers no T4"),
        ({"gpu": {"pools": ["AMPERE_24", "zzz"]}}, "gpu.pools[1]", "the pools are AMPERE_24"),
        ({"gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["L4"]}}, "gpu.excludedTypes[0]", "NVIDIA L4?"),
        (
            {"gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA H200"]}},
            "gpu.excludedTypes[0]",
            "not a GPU type",
        ),
        (
            {"gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA GeForce RTX 4090"]}},
            "gpu.excludedTypes",
            "one left",
        ),
        ({"gpu": {"pools": ["AMPERE_24"], "count": 0}}, "gpu.count", "found 0"),
        ({"gpu": {"pools": ["AMPERE_24"], "minCudaVersion": "12"}}, "gpu.minCudaVersion", "major.minor"),
        (
            {"gpu": {"pools": ["AMPERE_24"], "minCudaVersion": "12.1", "allowedCudaVersions": ["12.8"]}},
            "gpu.minCudaVersion",
            "not both",
        ),
        ({"gpu": None, "cpu": []}, "cpu", "no CPU configuration"),
        ({"gpu": None, "cpu": [{"id": "cpu6c"}]}, "cpu[0].id", "did you mean cpu3c or cpu5c?"),
        ({"gpu": None, "cpu": [{"id": "cpu5c", "vcpuCount": 3}]}, "cpu[0].vcpuCount", "power of two"),
        ({"gpu": None, "cpu": [{"id": "cpu5c", "vcpuCount": 64}]}, "cpu[0].vcpuCount", "2 to 32"),
        ({"gpu": None, "cpu": [{"id": "cpu5c"}, {"id": "cpu5c"}]}, "cpu[1]", "listed twice"),
        ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.1}}, "scaling.queueDelay", "at least 0.5 s"),
        ({"scaling": {"type": "QUEUE_DELAY", "requestCount": 3}}, "scaling.requestCount", "no effect"),
        ({"scaling": {"type": "REQUEST_COUNT", "queueDelay": 3}}, "scaling.queueDelay", "no effect"),
        ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 0}}, "scaling.requestCount", "at least 1"),
        ({"workers": {"min": 3, "max": 1}}, "workers.max", "at least workers.min (3)"),
        ({"workers": {"min": -1}}, "workers.min", "found -1"),
        ({"workers": {"idleTimeout": 0}}, "workers.idleTimeout", "1 to 3600 s"),
        ({"workers": {"idleTimeout": 3601}}, "workers.idleTimeout", "1 to 3600 s"),
        (
            {"workers": {"idleTimeout": 5}, "scaling": {"type": "REQUEST_COUNT"}},
            "workers.idleTimeout",
            "take no idle timeout",
        ),
        ({"timeoutMs": 3}, "timeoutMs", "5000 to 604800000 ms"),
        ({"disk": 0}, "disk", "at least 1 GB"),
        (
            {"type": "LOAD_BALANCER", "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}},
            "scaling.type",
            "REQUEST_COUNT",
        ),
        ({"ports": ["8000"]}, "ports[0]", "8000/http"),
        ({"ports": ["8000/http", "8000/tcp"]}, "ports[1]", "twice"),
        ({"ports": ["70000/http"]}, "ports[0]", "no port"),
        ({"name": "x" * 192}, "name", "at most 191"),
        ({"dataCenterIds": ["eu-r0-1"]}, "dataCenterIds[0]", "EU-RO-1"),
        ({"networkVolumes": ["v1", "v1"]}, "networkVolumes[1]", "twice"),
        (
            {"networkVolumes": ["v1"], "networkVolumeDataCenters": ["EU-RO-1", "EU-CZ-1"]},
            "networkVolumeDataCenters",
            "one for each",
        ),
        (
            {"networkVolumes": ["v1", "v2"], "networkVolumeDataCenters": ["EU-RO-1", "EU-RO-1"]},
            "networkVolumes[1]",
            "a second volume in EU-RO-1",
        ),
        ({"image": ""}, "image", "empty"),
        ({"name": ""}, "name", "empty"),
        ({"env": {"PILOTLIGHT_MARK": "x"}}, "env.PILOTLIGHT_MARK", "Fix: remove it"),
        ({"flashbot": "OFF"}, "flashbot", "did you mean 'flashboot'"),
        ({"flashboot": "ON"}, "flashboot", "PRIORITY_FLASHBOOT"),
    ],
)
def test_a_fault_is_refused_at_its_property_with_the_way_out(
    changes: dict[str, Any], path: str, says: str
) -> None:
    found = refusals(**changes)
    assert list(found) == [path]
    assert says in found[path]


def test_all_faults_are_told_at_once() -> None:
    found = refusals(
        gpu={"pools": ["AMPERE_25"], "count": 0},
        workers={"min": 5, "max": 2, "idleTimeout": 9999},
        timeoutMs=1,
    )
    assert set(found) == {"gpu.pools[0]", "gpu.count", "workers.max", "workers.idleTimeout", "timeoutMs"}


@pytest.mark.parametrize(
    "changes",
    [
        {name: UNKNOWN}
        for name in (
            "name",
            "image",
            "gpu",
            "scaling",
            "workers",
            "env",
            "timeoutMs",
            "disk",
            "type",
            "dataCenterIds",
        )
    ]
    + [
        {"gpu": {"pools": UNKNOWN}},
        {"gpu": {"pools": ["AMPERE_24", UNKNOWN], "excludedTypes": ["NVIDIA H200"]}},
        {
            "gpu": {
                "pools": ["AMPERE_24"],
                "excludedTypes": UNKNOWN,
                "count": UNKNOWN,
                "minCudaVersion": UNKNOWN,
            }
        },
        {"gpu": None, "cpu": [{"id": UNKNOWN, "vcpuCount": UNKNOWN}, UNKNOWN]},
        {"workers": {"min": UNKNOWN, "max": 0}},
        {"workers": {"idleTimeout": 5}, "scaling": {"type": UNKNOWN, "queueDelay": UNKNOWN}},
        {"env": {"URL": UNKNOWN}},
    ],
)
def test_what_a_preview_cannot_know_is_not_refused(changes: dict[str, Any]) -> None:
    assert refusals(**changes) == {}


def test_a_fault_beside_an_unknown_is_still_refused() -> None:
    assert "gpu.pools[0]" in refusals(gpu={"pools": ["nope", UNKNOWN]}, image=UNKNOWN)
