"""Flash's apps and environments, as rows. Its builds are not taken: workers here run images of the local registry only."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.rest.problems import Problem, bad_request
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.times import timestamp

_NO_BUILDS = (
    "flash builds are not offered by the local cloud: its workers run images of the local registry; "
    "endpoints, templates, volumes, apps and environments are"
)


def flash_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    # The arguments' names are RunPod's.
    def app(info: Any, flashAppId: str) -> dict[str, Any]:
        return app_view(service, service.flash_apps.get(flashAppId))

    def app_by_name(info: Any, flashAppName: str) -> dict[str, Any]:
        for row in service.flash_apps.all():
            if row["name"] == flashAppName:
                return app_view(service, row)
        raise Problem(404, f"app with name '{flashAppName}' not found")

    def environment(info: Any, flashEnvironmentId: str) -> dict[str, Any]:
        return _environment_view(service, service.flash_environments.get(flashEnvironmentId))

    def environment_by_name(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        for row in _environments(service, input["flashAppId"]):
            if row["name"] == input["name"]:
                return _environment_view(service, row)
        raise Problem(404, f"environment with name '{input['name']}' not found")

    def create_app(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        if any(row["name"] == input["name"] for row in service.flash_apps.all()):
            raise bad_request(f"app name must be unique: '{input['name']}' exists")
        return app_view(service, service.flash_apps.add(_new(service, input["name"])))

    def delete_app(info: Any, flashAppId: str) -> None:
        service.flash_apps.get(flashAppId)
        for row in _environments(service, flashAppId):
            service.flash_environments.remove(row["id"])
        service.flash_apps.remove(flashAppId)

    def create_environment(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        app_id = service.flash_apps.get(input["flashAppId"])["id"]
        if any(row["name"] == input["name"] for row in _environments(service, app_id)):
            raise bad_request(f"environment name must be unique in its app: '{input['name']}' exists")
        row = service.flash_environments.add(_new(service, input["name"]) | {"app": app_id})
        return _environment_view(service, row)

    def delete_environment(info: Any, flashEnvironmentId: str) -> None:
        service.flash_environments.get(flashEnvironmentId)
        service.flash_environments.remove(flashEnvironmentId)

    def no_builds(info: Any, **arguments: Any) -> None:
        raise bad_request(_NO_BUILDS)

    return {
        "flashApp": app,
        "flashAppByName": app_by_name,
        "flashEnvironment": environment,
        "flashEnvironmentByName": environment_by_name,
        "createFlashApp": create_app,
        "deleteFlashApp": delete_app,
        "createFlashEnvironment": create_environment,
        "deleteFlashEnvironment": delete_environment,
        **dict.fromkeys(
            (
                *("flashBuild", "prepareFlashArtifactUpload", "finalizeFlashArtifactUpload"),
                *("updateFlashBuildManifest", "deployBuildToEnvironment"),
            ),
            no_builds,
        ),
    }


def app_view(service: RestService, app: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": app["id"],
        "name": app["name"],
        "flashEnvironments": lambda info: [
            _environment_view(service, row) for row in _environments(service, app["id"])
        ],
        "flashBuilds": [],
    }


def _environments(service: RestService, app_id: str) -> list[dict[str, Any]]:
    return [row for row in service.flash_environments.all() if row["app"] == app_id]


def _environment_view(service: RestService, row: dict[str, Any]) -> dict[str, Any]:
    endpoints = [
        {"id": endpoint["id"], "name": endpoint["name"]}
        for endpoint in service.store.endpoints()
        if endpoint.get("flashEnvironmentId") == row["id"]
    ]
    return {
        "id": row["id"],
        "name": row["name"],
        "state": "HEALTHY" if endpoints else "PENDING",
        "createdAt": timestamp(row["createdAt"]),
        "endpoints": endpoints,
        "networkVolumes": [],
    }


def _new(service: RestService, name: str) -> dict[str, Any]:
    if not name:
        raise bad_request("name must not be empty")
    return {"name": name, "createdAt": service.clock.now()}
