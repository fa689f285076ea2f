"""The web front end: functions, classes and servers answer HTTP and WebSocket requests."""

from aiohttp import web

from infra.localcloud.modal.world import World

__all__ = ["routes"]


def routes(world: World) -> list[web.RouteDef]:
    return []
