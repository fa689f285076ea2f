"""saveRegistryAuth, updateRegistryAuth (which REST v2 lacks), deleteRegistryAuth."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.registries import registry_view
from infra.localcloud.runpod.rest.service import RestService


def registry_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    def save(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        _check(input)
        return registry_view(service.registries.create(input["name"]))

    def update(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        _check(input)
        return registry_view(service.registries.rows.get(input["id"]))

    # The argument's name is RunPod's.
    async def delete(info: Any, registryAuthId: str) -> None:
        await service.registries.delete(registryAuthId)

    return {"saveRegistryAuth": save, "updateRegistryAuth": update, "deleteRegistryAuth": delete}


def _check(input: dict[str, Any]) -> None:
    for name in ("name", "username", "password"):
        if name in input and not input[name]:
            raise bad_request(f"{name} must not be empty")
