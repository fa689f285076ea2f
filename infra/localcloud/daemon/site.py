"""The one origin of the local cloud: RunPod's APIs, the page at `/`, and `/_local/` for whoever runs it."""

import asyncio

from aiohttp import web

from . import admin
from .assembly import Cloud
from .guard import loopback_only

BODY_LIMIT = 32 << 20  # bytes; RunPod takes 20 MB on runsync and 30 MB on load balancers


def api_site(cloud: Cloud, stop: asyncio.Event) -> web.Application:
    """Setting `stop` ends the daemon."""
    middlewares = [loopback_only(cloud.ports["api"]), cloud.faults.middleware("runpod")]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    app.add_routes(admin.routes(cloud, stop))
    return app
