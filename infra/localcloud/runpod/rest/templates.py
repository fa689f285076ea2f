"""/v2/templates: presets of container settings. One is read when something is made from it, and not again."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.rest import publictemplates
from infra.localcloud.runpod.rest.container import CONTAINER, CUDA, container_of, defaults
from infra.localcloud.runpod.rest.problems import Problem, bad_request, not_found
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.schema import Rule, array, boolean, choice, closed, integer, text

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

PERSISTENT = closed({"size": integer(10), "path": text()}, required=["size", "path"])
_FIELDS: dict[str, Rule] = CONTAINER | {
    "name": text(min_length=1),
    "allowedCudaVersions": array(text(pattern=CUDA)),
    "category": choice("CPU", "NVIDIA", "AMD"),
    "mounts": closed({"persistent": PERSISTENT}),
    "public": boolean(),
    "serverless": boolean(),
    "startJupyter": boolean(),
    "startSsh": boolean(),
}
_OWN_FIELDS = [name for name in _FIELDS if name not in (*CONTAINER, "mounts")]
CREATE = closed(_FIELDS, required=["name", "image"])
UPDATE = closed(_FIELDS)
_IN_USE = "Template is in use by a pod or serverless endpoint and cannot be deleted"


class Templates:
    def __init__(self, service: "RestService") -> None:
        self._service = service
        self.rows = Rows(service.store, "templates", "template")

    def get(self, template_id: str) -> dict[str, Any]:
        """One's own or a public one. Raises Problem 404."""
        return publictemplates.find(template_id) or self.rows.get(template_id)

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        template = defaults() | {
            "mounts": {},
            "serverless": False,
            "public": False,
            "category": "NVIDIA",
            "startSsh": True,
            "startJupyter": True,
            "allowedCudaVersions": [],
        }
        template = self._changed(template, body)
        self._check_name(template["name"], None)
        return self.rows.add(template)

    def update(self, template_id: str, body: dict[str, Any]) -> dict[str, Any]:
        old = self.rows.get(template_id)
        new = self._changed(old, body)
        self._check_name(new["name"], template_id)
        self.rows.save(new)
        return new

    def delete(self, template_id: str) -> None:
        self.rows.get(template_id)
        if self.users(template_id):
            raise bad_request(_IN_USE)
        self.rows.remove(template_id)

    def users(self, template_id: str) -> list[dict[str, Any]]:
        """The endpoints and pods that are bound to it."""
        bound = [*self._service.store.endpoints(), *self._service.pods.rows.all()]
        return [user for user in bound if user.get("template") == template_id]

    def find(self, template_id: str) -> dict[str, Any] | None:
        return publictemplates.find(template_id) or self.rows.find(template_id)

    def applied(self, body: dict[str, Any], *, serverless: bool) -> dict[str, Any]:
        """`body` without its templateId and with the template's container settings where it has none of its own."""
        if "templateId" not in body:
            return body
        template = self.get_for(body["templateId"], serverless=serverless)
        container = {name: template[name] for name in CONTAINER}
        own = {name: value for name, value in body.items() if name != "templateId"}
        return container | own | {"env": container["env"] | body.get("env", {})}

    def applied_to_endpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        """As `applied`, for a create: the template's CUDA versions go in unless the body says anything about CUDA."""
        if "templateId" not in body:
            return body
        versions = self.get_for(body["templateId"], serverless=True)["allowedCudaVersions"]
        gpu = body.get("gpu")
        if gpu and versions and not {"allowedCudaVersions", "minCudaVersion"} & set(gpu):
            body = body | {"gpu": gpu | {"allowedCudaVersions": versions}}
        return self.applied(body, serverless=True)

    def get_for(self, template_id: str, *, serverless: bool) -> dict[str, Any]:
        template = self.find(template_id)
        if template is None:
            raise not_found(f"template '{template_id}'")
        if template["serverless"] != serverless:
            kinds = ("a serverless template", "a pod template")
            found, wanted = kinds if template["serverless"] else reversed(kinds)
            raise Problem(422, f"template '{template_id}' is {found}; {wanted} is required")
        return template

    def forget_registry(self, registry_id: str) -> None:
        for template in self.rows.all():
            if template["registry"] == registry_id:
                self.rows.save(template | {"registry": None})

    def _changed(self, old: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        self._service.registries.check(body)
        new = old | {name: body[name] for name in _OWN_FIELDS if name in body} | container_of(old, body)
        if body.get("mounts"):
            persistent = body["mounts"]["persistent"]
            new["mounts"] = {"persistent": persistent | {"size": int(persistent["size"])}}
        return new

    def _check_name(self, name: str, own_id: str | None) -> None:
        if any(row["name"] == name and row["id"] != own_id for row in self.rows.all()):
            raise bad_request(f"Template name must be unique: '{name}' exists")


class TemplateHandlers:
    def __init__(self, service: "RestService") -> None:
        self._templates = service.templates

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"templates": [template_view(row) for row in self._templates.rows.all()]})

    async def create(self, request: web.Request) -> web.Response:
        template = self._templates.create(await read_request(request, CREATE))
        return web.json_response(template_view(template), status=201)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(template_view(self._templates.get(request.match_info["id"])))

    async def update(self, request: web.Request) -> web.Response:
        self._templates.rows.get(request.match_info["id"])
        body = await read_request(request, UPDATE)
        return web.json_response(template_view(self._templates.update(request.match_info["id"], body)))

    async def delete(self, request: web.Request) -> web.Response:
        self._templates.delete(request.match_info["id"])
        return web.Response(status=204)


def template_view(template: dict[str, Any]) -> dict[str, Any]:
    return {name: template[name] for name in ("id", *_OWN_FIELDS, *CONTAINER, "mounts")}
