"""Handlers of /v2/pods."""

from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.podrules import ACTION, UPDATE, create_rule
from infra.localcloud.runpod.rest.podviews import pod_view
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.service import RestService


class PodHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service
        self._pods = service.pods

    async def list(self, request: web.Request) -> web.Response:
        members = query.one(request, "includeClusterPods", ("true", "false")) == "true"
        pods = [pod for pod in self._pods.rows.all() if members or "cluster" not in pod]
        return web.json_response({"pods": [view_of(self._service, pod) for pod in pods]})

    async def create(self, request: web.Request) -> web.Response:
        pod = await self._pods.create(await read_request(request, create_rule))
        return web.json_response(view_of(self._service, pod), status=201)

    async def get(self, request: web.Request) -> web.Response:
        pod = self._pods.rows.get(request.match_info["id"])
        return web.json_response(view_of(self._service, pod))

    async def update(self, request: web.Request) -> web.Response:
        pod_id = self._pods.rows.get(request.match_info["id"])["id"]
        pod = await self._pods.update(pod_id, await read_request(request, UPDATE))
        return web.json_response(view_of(self._service, pod))

    async def delete(self, request: web.Request) -> web.Response:
        await self._pods.delete(request.match_info["id"])
        return web.Response(status=204)

    async def act(self, request: web.Request) -> web.Response:
        pod_id = self._pods.rows.get(request.match_info["id"])["id"]
        body = await read_request(request, ACTION)
        pod = await self._pods.act(pod_id, body["action"])
        if pod is None:
            return web.Response(status=204)
        return web.json_response(view_of(self._service, pod))


def view_of(service: RestService, pod: dict[str, Any]) -> dict[str, Any]:
    return pod_view(pod, service.pods.view(pod), service.pods.rates(pod), service.clock)
