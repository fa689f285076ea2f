"""createNetworkVolume, updateNetworkVolume, deleteNetworkVolume."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.service import RestService

_SIZES = range(10, 4097)


def volume_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    volumes = service.volumes

    def create(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        _check(input)
        place = input["dataCenterId"]
        return volume_view(
            volumes.create({"name": input["name"], "size": input["size"], "dataCenter": place})
        )

    def update(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        _check(input)
        changes = {name: input[name] for name in ("name", "size") if input.get(name) is not None}
        return volume_view(volumes.update(input["id"], changes))

    def delete(info: Any, input: dict[str, Any]) -> None:
        volumes.delete(input["id"])

    return {"createNetworkVolume": create, "updateNetworkVolume": update, "deleteNetworkVolume": delete}


def volume_view(volume: dict[str, Any]) -> dict[str, Any]:
    view = {name: volume[name] for name in ("id", "name", "size")}
    return view | {"dataCenterId": volume["dataCenter"]}


def _check(input: dict[str, Any]) -> None:
    if input.get("size") is not None and input["size"] not in _SIZES:
        raise bad_request("size must be between 10 and 4096 GB")
    if input.get("name") == "":
        raise bad_request("name must not be empty")
