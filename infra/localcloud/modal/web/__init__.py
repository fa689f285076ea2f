"""The web front end: functions, classes and servers answer HTTP and WebSocket requests at `/w/<label>`."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from infra.localcloud.modal.containers.fleet import local_fleet
from infra.localcloud.modal.model import WebRoute
from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import access, http, server, tokens, websocket
from .exchange import Place, is_websocket

__all__ = ["by_host", "routes", "rpcs"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def rpcs(world: World) -> Rpcs:
    return tokens.rpcs(world)


def routes(world: World) -> list[web.RouteDef]:
    async def by_label(request: web.Request) -> web.StreamResponse:
        label = request.match_info["label"]
        root = f"/w/{label}"
        return await _answer(
            world, request, world.web_routes.get(label), Place(root, request.rel_url.raw_path[len(root) :])
        )

    return [web.route("*", "/w/{label}{tail:(/.*)?}", by_label)]


def by_host(world: World) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """A middleware: `<label>.anything`, or a domain that an app asked for, is served from its own root."""

    @web.middleware
    async def route(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        if host in ("127.0.0.1", "localhost"):
            return await handler(request)
        found = world.web_routes.get(host.partition(".")[0]) or next(
            (item for item in world.web_routes.values() if host in item.domains), None
        )
        if found is None:
            return await handler(request)
        return await _answer(world, request, found, Place("", request.rel_url.raw_path))

    return route


async def _answer(
    world: World, request: web.Request, route: WebRoute | None, place: Place
) -> web.StreamResponse:
    record = world.functions.get(route.function_id) if route else None
    if route is None or record is None or not record.version:
        raise web.HTTPNotFound(text="modal-http: there is no web function at this address\n")
    if access.guarded(record, route.method):
        access.check(world, request, world.app(record.app_id).environment)
    fleet = local_fleet(world)
    if record.function.is_server:
        return await server.answer(fleet, request, record, place)
    if is_websocket(request):
        return await websocket.answer(fleet, request, record, route.method, place)
    return await http.answer(fleet, request, record, route.method, place)
