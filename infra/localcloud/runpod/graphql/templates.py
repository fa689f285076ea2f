"""saveTemplate, deleteTemplate, podTemplate(s). A change of a template reaches the endpoints that are bound to it."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.graphql.wire import container, pairs
from infra.localcloud.runpod.rest.container import CONTAINER
from infra.localcloud.runpod.rest.problems import bad_request, not_found
from infra.localcloud.runpod.rest.service import RestService

_REQUIRED = ("containerDiskInGb", "dockerArgs", "env", "name", "volumeInGb")
_SAME = {
    "isServerless": "serverless",
    "isPublic": "public",
    "startJupyter": "startJupyter",
    "startSsh": "startSsh",
    "allowedCudaVersions": "allowedCudaVersions",
}


def template_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    async def save(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        return template_view(await save_template(service, input or {}))

    # The argument's name is RunPod's.
    def delete(info: Any, templateName: str | None = None) -> None:
        named = [row for row in service.templates.rows.all() if row["name"] == templateName]
        if not named:
            raise not_found(f"template '{templateName}'")
        service.templates.delete(named[0]["id"])

    def one(info: Any, id: str) -> dict[str, Any] | None:
        template = find_template(service, id)
        return None if template is None else template_view(template)

    return {
        "saveTemplate": save,
        "deleteTemplate": delete,
        "podTemplate": one,
        "podTemplates": lambda info: [template_view(row) for row in service.templates.rows.all()],
    }


async def save_template(service: RestService, input: dict[str, Any]) -> dict[str, Any]:
    """Create it, or with an id change what the input names."""
    missing = [name for name in _REQUIRED if input.get(name) is None]
    if missing:
        raise bad_request(f"saveTemplate: {', '.join(missing)} must be given")
    body = _body(input)
    if not input.get("id"):
        return service.templates.create({"image": ""} | body)
    template = service.templates.update(input["id"], body)
    changes = {name: template[name] for name in CONTAINER}
    for endpoint in service.store.endpoints():
        if endpoint.get("template") == template["id"]:
            await service.update(endpoint["id"], changes)
    return template


def find_template(service: RestService, template_id: str) -> dict[str, Any] | None:
    """A template; or, for an endpoint made through REST v2, the one that GraphQL shows it to be bound to."""
    own = service.templates.find(template_id)
    if own is not None:
        return own
    for endpoint in service.store.endpoints():
        if bound_template(endpoint) == template_id:
            return _of_endpoint(endpoint)
    return None


def template_of(service: RestService, endpoint: dict[str, Any]) -> dict[str, Any]:
    own = service.templates.find(endpoint["template"]) if endpoint.get("template") else None
    return own or _of_endpoint(endpoint)


def bound_template(endpoint: dict[str, Any]) -> str:
    return str(endpoint.get("template") or endpoint["id"][:10])


def template_view(template: dict[str, Any]) -> dict[str, Any]:
    persistent = template["mounts"].get("persistent", {})
    view = {theirs: template[ours] for theirs, ours in _SAME.items()}
    return view | {
        "id": template["id"],
        "name": template["name"],
        "imageName": template["image"],
        "dockerArgs": template["args"],
        "containerDiskInGb": template["disk"],
        "containerRegistryAuthId": template["registry"],
        "volumeInGb": persistent.get("size", 0),
        "volumeMountPath": persistent.get("path", "/workspace"),
        "ports": ",".join(template["ports"]),
        "env": pairs(template["env"]),
        "category": template["category"],
        "readme": "",
    }


def _body(input: dict[str, Any]) -> dict[str, Any]:
    body = container(input) | {"name": input["name"]}
    body |= {ours: input[theirs] for theirs, ours in _SAME.items() if input.get(theirs) is not None}
    if not body["name"]:
        raise bad_request("saveTemplate: name must not be empty")
    if input["volumeInGb"] > 0:
        if body.get("serverless"):
            raise bad_request("saveTemplate: volumeInGb must be 0 for a serverless template")
        path = input.get("volumeMountPath") or "/workspace"
        body["mounts"] = {"persistent": {"size": input["volumeInGb"], "path": path}}
    if input.get("category") in ("CPU", "NVIDIA", "AMD"):
        body["category"] = input["category"]
    return body


def _of_endpoint(endpoint: dict[str, Any]) -> dict[str, Any]:
    settings = {name: endpoint[name] for name in CONTAINER}
    return settings | {
        "id": bound_template(endpoint),
        "name": f"{endpoint['name']}__template__{endpoint['id']}",
        "mounts": {},
        "serverless": True,
        "public": False,
        "category": "CPU" if "cpu" in endpoint else "NVIDIA",
        "startSsh": True,
        "startJupyter": True,
        "allowedCudaVersions": [],
    }
