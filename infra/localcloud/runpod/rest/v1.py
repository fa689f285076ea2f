"""REST v1, retired on 2026-11-15: 410 for everything. With the setting `retired.v1` off, the two calls flash makes of it.

The envelope is v1's own, `{"error": …, "status": …}` (seen in logs of zapr-16/provider-runpod).
"""

from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest.access import authenticate
from infra.localcloud.runpod.rest.problems import Problem
from infra.localcloud.runpod.rest.ratelimit import RateLimiter
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.schema import closed, integer, text
from infra.localcloud.runpod.rest.service import RestService

_CREATE = closed(
    {"name": text(min_length=1), "size": integer(10, 4096), "dataCenterId": text(min_length=1)},
    required=["name", "size", "dataCenterId"],
)


def v1_routes(service: RestService) -> list[web.RouteDef]:
    """Whatever lies under /v1."""
    limiter = RateLimiter(service.clock, service.settings)

    async def handle(request: web.Request) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            if service.settings.retired.v1:
                raise Problem(410, "REST API v1 has been retired. Use v2 at https://api.runpod.io/v2.")
            authenticate(request, service.api_key)
            headers = limiter.take()
            answer = await _answer(service, request)
            return web.json_response(answer, headers=headers)
        except Problem as problem:
            reason = "; ".join([problem.detail, *problem.errors])
            return web.json_response(
                {"error": reason, "status": problem.status},
                status=problem.status,
                headers=headers | problem.headers,
            )

    return [web.route("*", "/v1{rest:(/.*)?}", handle)]


async def _answer(service: RestService, request: web.Request) -> Any:
    if request.path.rstrip("/") != "/v1/networkvolumes" or request.method not in ("GET", "POST"):
        raise Problem(404, "of REST v1, the local cloud serves GET and POST /v1/networkvolumes only")
    if request.method == "GET":
        return [_volume(row) for row in service.volumes.rows.all()]
    body = await read_request(request, _CREATE)
    place = body.pop("dataCenterId")
    return _volume(service.volumes.create(body | {"dataCenter": place}))


def _volume(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"], "size": row["size"], "dataCenterId": row["dataCenter"]}
