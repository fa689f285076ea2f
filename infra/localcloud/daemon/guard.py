"""Refuses what a web page of somewhere else could send here: the browser's Host and Origin give it away."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def loopback_only(port: int) -> Any:
    """Middleware. A page that resolves its own name to 127.0.0.1 still sends its own name as Host; and a request that
    a page of another origin starts says so in Origin."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    origins = {f"http://{host}" for host in hosts}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "").lower()
        if host not in hosts:
            return _refused(421, f"the Host header is {host or 'missing'}; this server is 127.0.0.1:{port}")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in origins:
            return _refused(403, f"requests from pages of {origin} are not taken")
        return await handler(request)

    return guard


def _refused(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=f"Refused: {reason}.\n")
