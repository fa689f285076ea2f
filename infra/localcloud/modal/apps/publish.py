"""Publishing an app: what was defined takes effect, under the next version."""

import hashlib
from collections.abc import Mapping

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.model import AppRecord, DeploymentRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import USER, World

from .autoscaler import effective


def rpcs(world: World) -> Rpcs:
    async def publish(request: api_pb2.AppPublishRequest, call: Call) -> api_pb2.AppPublishResponse:
        app = world.app(request.app_id)
        if not app.running:
            raise RpcError(Status.FAILED_PRECONDITION, f"App '{app.name or app.description}' is stopped")
        deployment = _deployment(world, app, request, call)
        if request.app_state != api_pb2.APP_STATE_DEPLOYED:
            # `modal run` and `modal serve`: no name, no history; serve publishes again without a state.
            app.state = request.app_state or app.state
            activate(world, app, deployment)
            return api_pb2.AppPublishResponse(url=world.page_url(app.app_id), deployed_at=app.deployed_at)
        _take_name(world, app, request.name)
        current = world.deployments.get(deployment_key(app.app_id, app.version)) if app.version else None
        answer = api_pb2.AppPublishResponse(url=world.page_url(app.app_id))
        if current is not None and current.fingerprint == deployment.fingerprint:
            return answer
        app.state = api_pb2.APP_STATE_DEPLOYED
        if request.staged and current is not None:
            deployment.staged, deployment.deployment_type = True, api_pb2.DEPLOYMENT_TYPE_STAGED
            world.deployments.put(deployment)
        else:
            activate(world, app, deployment, keep=True)
        answer.deployed_at = deployment.deployed_at
        return answer

    return {"AppPublish": publish}


def deployment_key(app_id: str, version: int) -> str:
    return f"{app_id}/{version:06d}"


def deployments_of(world: World, app_id: str) -> list[DeploymentRecord]:
    """Newest first."""
    found = [record for record in world.deployments.values() if record.app_id == app_id]
    return sorted(found, key=lambda record: -record.version)


def next_version(world: World, app: AppRecord) -> int:
    return max([app.version, *(record.version for record in deployments_of(world, app.app_id))]) + 1


def activate(world: World, app: AppRecord, deployment: DeploymentRecord, *, keep: bool = False) -> None:
    """Make it the app's current version, and tell the fleet. Containers of functions that changed, or of all in a
    rollover, are replaced; settings changed since the last deployment go back to those of the definition."""
    fresh = deployment.deployment_type == api_pb2.DEPLOYMENT_TYPE_ROLLOVER
    gone = set(app.function_ids.values()) - set(deployment.function_ids.values())
    app.version, app.deployed_at = deployment.version, deployment.deployed_at
    app.function_ids, app.class_ids = dict(deployment.function_ids), dict(deployment.class_ids)
    app.tags = dict(deployment.tags)
    with world.store.transaction():
        world.apps.put(app)
        if keep:
            world.deployments.put(deployment)
        for tag, class_id in app.class_ids.items():
            record = world.classes[class_id]
            record.name = tag
            world.classes.put(record)
        for tag, function_id in app.function_ids.items():
            _take_effect(world, app, tag, function_id, deployment.definition_ids[function_id], fresh)
        for function_id in gone:
            function = world.function(function_id)
            function.stopped = True
            world.functions.put(function)
    for function_id in (*app.function_ids.values(), *gone):
        world.fleet.apply(function_id)
    for listener in world.app_listeners:
        listener(app)


def _take_effect(
    world: World, app: AppRecord, tag: str, function_id: str, definition_id: str, fresh: bool
) -> None:
    function, definition = world.function(function_id), world.definitions[definition_id]
    before = world.definitions.get(function.definition_id)
    changed = before is None or before.fingerprint != definition.fingerprint
    if fresh or changed or not function.version:
        function.version = app.version
    function.name, function.handle, function.data = tag, definition.handle, definition.data
    function.definition_id = definition_id
    function.override.Clear()
    function.settings = effective(function)
    function.stopped = False
    world.functions.put(function)


def _deployment(
    world: World, app: AppRecord, request: api_pb2.AppPublishRequest, call: Call
) -> DeploymentRecord:
    definition_ids = {}
    for tag, function_id in request.function_ids.items():
        function = world.function(function_id)
        definition_id = request.definition_ids.get(function_id) or function.definition_id
        if function.app_id != app.app_id or definition_id not in world.definitions:
            raise invalid(f"Function '{tag}' was not defined before app '{app.description}' was published")
        definition_ids[function_id] = definition_id
    for tag, class_id in request.class_ids.items():
        if class_id not in world.classes:
            raise not_found(f"Class '{tag}' not found")
    return DeploymentRecord(
        app_id=app.app_id,
        version=next_version(world, app),
        function_ids=dict(request.function_ids),
        class_ids=dict(request.class_ids),
        definition_ids=definition_ids,
        tags=dict(request.tags),
        tag=request.deployment_tag,
        client_version=request.client_version or call.client_version,
        deployed_at=world.clock.now(),
        deployed_by=USER,
        fingerprint=_fingerprint(world, request, definition_ids),
        deployment_type=api_pb2.DEPLOYMENT_TYPE_STANDARD,
        commit=request.commit_info if request.HasField("commit_info") else None,
    )


def _fingerprint(world: World, request: api_pb2.AppPublishRequest, definition_ids: Mapping[str, str]) -> str:
    """Of all that a user can see of a deployment; the commit alone makes no new version."""
    parts = [
        *(
            f"function {tag} {world.definitions[definition_ids[function_id]].fingerprint}"
            for tag, function_id in sorted(request.function_ids.items())
        ),
        *(f"class {tag}" for tag in sorted(request.class_ids)),
        *(f"tag {key}={value}" for key, value in sorted(request.tags.items())),
        f"deployment tag {request.deployment_tag}",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _take_name(world: World, app: AppRecord, name: str) -> None:
    if not name:
        raise invalid("An app is deployed under a name, and none was given")
    holder = world.deployed(name, app.environment)
    if holder is not None and holder.app_id != app.app_id:
        raise RpcError(
            Status.ABORTED,
            f"App '{name}' was deployed by someone else in the meantime (as {holder.app_id}); deploy it again",
        )
    app.name = app.description = name
