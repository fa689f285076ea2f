"""Whatever a program passes, Check answers with failures at properties: it never breaks, and neither does a preview."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.kit import UNKNOWN
from tests.runpod.engine import Refused
from tests.runpod.programs import CPU_POD, POD, REGISTRY, SECRET, TEMPLATE, VOLUME
from tests.runpod.world import GPU, World

pytestmark = pytest.mark.anyio

ODD: list[Any] = [UNKNOWN, None, "", "x", -1, 0, 2.5, 10**12, True, [], [UNKNOWN], [None], {}, {"x": UNKNOWN}]
WHOLE: dict[str, dict[str, Any]] = {
    "Endpoint": GPU
    | {
        "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"], "minCudaVersion": "12.1"},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "ports": ["8000/http"],
        "dataCenterIds": ["EU-RO-1"],
        "networkVolumes": ["v1"],
        "networkVolumeDataCenters": ["EU-RO-1"],
        "type": "QUEUE",
        "disk": 20,
        "registryId": "r",
        "repairScaleDown": False,
    },
    "Pod": POD
    | {
        "volume": {"sizeGb": 20, "path": "/data"},
        "dataCenterIds": ["EU-RO-1"],
        "allowedCudaVersions": ["12.8"],
        "ports": ["8000/http"],
        "disk": 20,
        "desiredState": "ONCE",
        "cloud": "SECURE",
    },
    "Pod/cpu": CPU_POD
    | {"networkVolume": {"id": "v", "path": "/data"}, "networkVolumeDataCenter": "EU-RO-1"},
    "NetworkVolume": VOLUME | {"type": "STANDARD", "forceDestroy": True},
    "Template": TEMPLATE | {"volume": {"sizeGb": 20, "path": "/data"}, "category": "CPU", "ports": ["1/tcp"]},
    "Registry": REGISTRY,
    "Secret": SECRET,
}


def changed(tree: Any, odd: Any) -> Iterator[Any]:
    """The tree with one place after another replaced."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield {**tree, key: odd}
            for inner in changed(value, odd):
                yield {**tree, key: inner}
    if isinstance(tree, list):
        for index, value in enumerate(tree):
            for inner in [odd, *changed(value, odd)]:
                yield [*tree[:index], inner, *tree[index + 1 :]]


@pytest.mark.parametrize("kind", WHOLE)
async def test_an_odd_value_in_any_place_is_refused_or_previewed(world: World, kind: str) -> None:
    name = kind if "/" in kind else f"{kind}/mine"
    refused: list[str] = []
    for odd in ODD:
        for program in changed(WHOLE[kind], odd):
            try:
                await world.engine.preview(name, program)
            except Refused as refusal:
                refused += refusal.failures.values()
    assert len(refused) > 10
    assert all(refused)
    assert world.requests == []
