"""An app's life: found by name, created, kept alive by its client, let go, stopped."""

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.model import AppRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import USER, World

from .layout import handle_of, layout, lifecycle

# A client says every 15 s that it is there; one that has been silent for four times that is gone.
SILENCE_S = 60.0
REAP_S = 15.0
OWNED_BY_CLIENT = (api_pb2.APP_STATE_INITIALIZING, api_pb2.APP_STATE_EPHEMERAL)


def rpcs(world: World) -> Rpcs:
    async def by_name(
        request: api_pb2.AppGetByDeploymentNameRequest, call: Call
    ) -> api_pb2.AppGetByDeploymentNameResponse:
        environment = world.environment(request.environment_name).name
        answer = api_pb2.AppGetByDeploymentNameResponse(environment_name=environment)
        app = world.deployed(request.name, environment)
        if app is not None:
            answer.app_id = app.app_id
        else:
            app = _last_stopped(world, request.name, environment)
            answer.previous_app_id = app.app_id if app else ""
        if app is not None:
            answer.lifecycle.CopyFrom(lifecycle(app))
        return answer

    async def create(request: api_pb2.AppCreateRequest, call: Call) -> api_pb2.AppCreateResponse:
        environment = world.environment(request.environment_name).name
        app = _new(
            world, request.description, environment, request.app_state or api_pb2.APP_STATE_INITIALIZING
        )
        app.tags = dict(request.tags)
        world.apps.put(app)
        url = world.page_url(app.app_id)
        return api_pb2.AppCreateResponse(app_id=app.app_id, app_page_url=url, app_logs_url=url)

    async def get_or_create(
        request: api_pb2.AppGetOrCreateRequest, call: Call
    ) -> api_pb2.AppGetOrCreateResponse:
        environment = world.environment(request.environment_name).name
        app = world.deployed(request.app_name, environment)
        if app is None:
            if request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
                raise not_found(f"App '{request.app_name}' not found in environment '{environment}'")
            app = _new(world, request.app_name, environment, api_pb2.APP_STATE_DEPLOYED)
            app.name, app.deployed_at = request.app_name, app.created_at
            world.apps.put(app)
        return api_pb2.AppGetOrCreateResponse(app_id=app.app_id, handle_metadata=handle_of(world, app))

    async def get_layout(request: api_pb2.AppGetLayoutRequest, call: Call) -> api_pb2.AppGetLayoutResponse:
        return api_pb2.AppGetLayoutResponse(app_layout=layout(world, request.app_id))

    async def heartbeat(request: api_pb2.AppHeartbeatRequest, call: Call) -> Empty:
        app = world.app(request.app_id)
        if not app.running and app.state != api_pb2.APP_STATE_STOPPING:
            raise RpcError(Status.FAILED_PRECONDITION, f"App '{app.app_id}' is stopped")
        app.heartbeat_at = world.clock.now()
        return Empty()

    async def disconnect(request: api_pb2.AppClientDisconnectRequest, call: Call) -> Empty:
        app = world.app(request.app_id)
        if app.state in OWNED_BY_CLIENT:
            stop_app(world, app)
        elif app.state == api_pb2.APP_STATE_DETACHED:
            _let_go(world, app)
        return Empty()

    async def stop(request: api_pb2.AppStopRequest, call: Call) -> Empty:
        app = world.app(request.app_id)
        if app.running:
            stop_app(world, app)
        return Empty()

    return {
        "AppGetByDeploymentName": by_name,
        "AppCreate": create,
        "AppGetOrCreate": get_or_create,
        "AppGetLayout": get_layout,
        "AppHeartbeat": heartbeat,
        "AppClientDisconnect": disconnect,
        "AppStop": stop,
    }


def stop_app(world: World, app: AppRecord) -> None:
    """For good: its containers go, its functions take no calls, its web addresses are free. It stays in the lists."""
    app.state = api_pb2.APP_STATE_STOPPED
    app.stopped_at = world.clock.now()
    with world.store.transaction():
        world.apps.put(app)
        for function in world.functions.values():
            if function.app_id == app.app_id and not function.stopped:
                function.stopped = True
                world.functions.put(function)
        for route in world.web_routes.values():
            owner = world.functions.get(route.function_id)
            if owner is None or owner.app_id == app.app_id:
                world.web_routes.delete(route.label)
    world.fleet.stop_app(app.app_id)
    for listener in world.app_listeners:
        listener(app)


async def reap(world: World) -> None:
    """For ever: stop apps that only live as long as their client, once it has gone without a word."""
    for app in world.apps.values():
        if app.state == api_pb2.APP_STATE_DETACHED_DISCONNECTED:
            world.spawn(_end_when_idle(world, app))
    while True:
        await world.clock.sleep(REAP_S)
        oldest = world.clock.now() - SILENCE_S
        for app in world.apps.values():
            if max(app.heartbeat_at, app.created_at) >= oldest:
                continue
            if app.state in OWNED_BY_CLIENT:
                stop_app(world, app)
            elif app.state == api_pb2.APP_STATE_DETACHED:
                _let_go(world, app)


def _let_go(world: World, app: AppRecord) -> None:
    """The client of `modal run --detach` has left: the app ends with its work."""
    app.state = api_pb2.APP_STATE_DETACHED_DISCONNECTED
    world.apps.put(app)
    world.spawn(_end_when_idle(world, app))


async def _end_when_idle(world: World, app: AppRecord) -> None:
    await world.fleet.idle(app.app_id)
    if app.state == api_pb2.APP_STATE_DETACHED_DISCONNECTED:
        stop_app(world, app)


def _new(world: World, description: str, environment: str, state: int) -> AppRecord:
    now = world.clock.now()
    return AppRecord(world.new_id("ap"), "", description, environment, state, now, USER, heartbeat_at=now)


def _last_stopped(world: World, name: str, environment: str) -> AppRecord | None:
    stopped = [
        app
        for app in world.apps.values()
        if app.name == name and app.environment == environment and not app.running
    ]
    return max(stopped, key=lambda app: app.stopped_at, default=None)
