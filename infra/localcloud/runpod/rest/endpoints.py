"""Handlers of /v2/serverless: endpoints, their workers and their releases."""

from aiohttp import web

from infra.localcloud.runpod.rest.bodies import read_create, read_update
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.views import endpoint_view, releases_view, workers_view


class EndpointHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service

    async def list(self, request: web.Request) -> web.Response:
        service = self._service
        views = [endpoint_view(endpoint, service.base_url) for endpoint in service.store.endpoints()]
        return web.json_response({"endpoints": views})

    async def create(self, request: web.Request) -> web.Response:
        endpoint = await self._service.create(read_create(await request.read()))
        return web.json_response(endpoint_view(endpoint, self._service.base_url), status=201)

    async def get(self, request: web.Request) -> web.Response:
        endpoint = self._service.endpoint(request.match_info["id"])
        return web.json_response(endpoint_view(endpoint, self._service.base_url))

    async def update(self, request: web.Request) -> web.Response:
        endpoint_id = request.match_info["id"]
        self._service.endpoint(endpoint_id)
        endpoint = await self._service.update(endpoint_id, read_update(await request.read()))
        return web.json_response(endpoint_view(endpoint, self._service.base_url))

    async def delete(self, request: web.Request) -> web.Response:
        await self._service.delete(request.match_info["id"])
        return web.Response(status=204)

    async def workers(self, request: web.Request) -> web.Response:
        endpoint = self._service.endpoint(request.match_info["id"])
        return web.json_response(workers_view(endpoint, self._service.fleet.workers(endpoint["id"])))

    async def releases(self, request: web.Request) -> web.Response:
        endpoint = self._service.endpoint(request.match_info["id"])
        releases = self._service.store.releases(endpoint["id"])
        workers = self._service.fleet.workers(endpoint["id"])
        return web.json_response(releases_view(endpoint, releases, workers))
