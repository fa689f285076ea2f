"""One good declaration of each kind, for tests that hold for all of them."""

from typing import Any

from tests.runpod.engine import secret

POD: dict[str, Any] = {
    "name": "tune",
    "image": "registry.pilotlight.internal/tune@sha256:1",
    "gpu": {"id": "NVIDIA L4"},
    "env": {"MODE": "fast"},
}
CPU_POD: dict[str, Any] = {k: v for k, v in POD.items() if k != "gpu"} | {
    "cpu": {"id": "cpu5c", "vcpuCount": 4}
}
VOLUME: dict[str, Any] = {"name": "weights", "sizeGb": 50, "dataCenter": "EU-RO-1"}
TEMPLATE: dict[str, Any] = {"name": "base", "image": "registry.pilotlight.internal/base@sha256:1"}
PASSWORD = "password-canary-91"
REGISTRY: dict[str, Any] = {"name": "ghcr", "username": "bot", "password": secret(PASSWORD)}
VALUE = "value-canary-17"
SECRET: dict[str, Any] = {"name": "hf-token", "value": secret(VALUE), "description": "for the hub"}

COLLECTIONS = {
    "Pod": "pods",
    "NetworkVolume": "network-volumes",
    "Template": "templates",
    "Registry": "registries",
}
PROGRAMS = {"Pod": POD, "NetworkVolume": VOLUME, "Template": TEMPLATE, "Registry": REGISTRY}
FORCED = {"NetworkVolume": {"forceDestroy": True}}
