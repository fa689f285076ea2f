"""/v2/registries: credentials of private registries. Write-only, and never used here: nothing from outside is pulled."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.schema import closed, text

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

CREATE = closed(
    {name: text(min_length=1) for name in ("name", "password", "username")},
    required=["name", "username", "password"],
)


class Registries:
    """Only names are kept. What would use the credentials does not exist here, so there is nothing to leak."""

    def __init__(self, service: "RestService") -> None:
        self._service = service
        self.rows = Rows(service.store, "registries", "registry", id_length=25)

    def create(self, name: str) -> dict[str, Any]:
        if any(row["name"] == name for row in self.rows.all()):
            raise bad_request(f"Registry name must be unique: '{name}' exists")
        return self.rows.add({"name": name})

    async def delete(self, registry_id: str) -> None:
        """Refused while a pod, or a worker that is up, pulls with it; templates and idle endpoints just lose it."""
        self.rows.get(registry_id)
        service = self._service
        endpoints = [row for row in service.store.endpoints() if row["registry"] == registry_id]
        pulls = any(row["registry"] == registry_id for row in service.pods.rows.all())
        if pulls or any(service.fleet.workers(row["id"]) for row in endpoints):
            raise bad_request("Registry credential is in use by a pod and cannot be deleted")
        self.rows.remove(registry_id)
        service.templates.forget_registry(registry_id)
        await service.forget_registry(registry_id)

    def check(self, body: dict[str, Any]) -> None:
        """A credential that a body names must exist. Raises Problem 400."""
        if body.get("registry") and self.rows.find(body["registry"]) is None:
            raise bad_request(f"registry: registry credential '{body['registry']}' does not exist")


class RegistryHandlers:
    def __init__(self, service: "RestService") -> None:
        self._registries = service.registries

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"registries": [registry_view(row) for row in self._registries.rows.all()]})

    async def create(self, request: web.Request) -> web.Response:
        body = await read_request(request, CREATE)
        return web.json_response(registry_view(self._registries.create(body["name"])), status=201)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(registry_view(self._registries.rows.get(request.match_info["id"])))

    async def delete(self, request: web.Request) -> web.Response:
        await self._registries.delete(request.match_info["id"])
        return web.Response(status=204)


def registry_view(registry: dict[str, Any]) -> dict[str, Any]:
    return {"id": registry["id"], "name": registry["name"]}
