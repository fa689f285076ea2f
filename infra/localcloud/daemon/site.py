"""The one origin of the local cloud: RunPod's APIs, the page at `/`, and `/_local/` for whoever runs it."""

import asyncio

from aiohttp import web

from infra.localcloud.runpod.graphql import graphql_routes
from infra.localcloud.runpod.rest import routes as rest_routes

from . import admin, page
from .assembly import Cloud
from .guard import loopback_only

BODY_LIMIT = 32 << 20  # bytes; RunPod takes 20 MB on runsync and 30 MB on load balancers


def api_site(cloud: Cloud, stop: asyncio.Event) -> web.Application:
    """Setting `stop` ends the daemon."""
    middlewares = [loopback_only(cloud.ports["api"]), cloud.faults.middleware("runpod")]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    # REST's collections under /v2 go before the job API's /v2/{endpoint id}/….
    app.add_routes(rest_routes(cloud.service))
    app.add_routes(graphql_routes(cloud.service))
    app.add_routes(cloud.fleet.routes())
    app.add_routes(admin.routes(cloud, stop))
    app.add_routes(page.routes(cloud))
    return app
