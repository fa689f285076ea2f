"""POST /graphql: who may ask, how often, and answers in GraphQL's own form, errors included."""

import json
import logging
from typing import Any

from aiohttp import web

from infra.localcloud.runpod.graphql.execution import Executor
from infra.localcloud.runpod.rest.access import check_key
from infra.localcloud.runpod.rest.problems import Problem
from infra.localcloud.runpod.rest.ratelimit import RateLimiter
from infra.localcloud.runpod.rest.schema import parse
from infra.localcloud.runpod.rest.service import RestService

_log = logging.getLogger(__name__)


def graphql_routes(service: RestService) -> list[web.RouteDef]:
    endpoint = _Endpoint(service)
    return [web.route("*", "/graphql", endpoint.handle)]


class _Endpoint:
    def __init__(self, service: RestService) -> None:
        self._service = service
        self._executor = Executor(service)
        self._limiter = RateLimiter(service.clock, service.settings)

    async def handle(self, request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            if self._service.settings.retired.graphql:
                raise Problem(
                    410, "The GraphQL API has been retired. Use REST v2 at https://api.runpod.io/v2."
                )
            if request.method != "POST":
                raise Problem(405, "GraphQL is asked with POST", headers={"Allow": "POST"})
            check_key(_key(request), self._service.api_key)
            headers = self._limiter.take()
            asked = _asked(await request.read())
            answer = await self._executor.run(
                asked["query"], asked.get("variables"), asked.get("operationName")
            )
            return web.json_response(answer, headers=headers)
        except Problem as problem:
            return _error(problem.status, problem.detail, headers | problem.headers)
        except web.HTTPException as error:
            return _error(error.status, error.reason, headers)
        except Exception:
            _log.exception("POST /graphql failed")
            return _error(500, "internal error; the local cloud's log has the cause", headers)


def _key(request: web.Request) -> str:
    """As a bearer token, or as `?api_key=`, which older clients use."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("api_key", "")


def _asked(body: bytes) -> dict[str, Any]:
    try:
        value = parse(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "the body is not valid JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("query"), str):
        raise Problem(400, "the body must be an object with the text `query`")
    if not isinstance(value.get("variables"), dict | None):
        raise Problem(400, "`variables` must be an object")
    if not isinstance(value.get("operationName"), str | None):
        raise Problem(400, "`operationName` must be a text")
    return value


def _error(status: int, message: str, headers: dict[str, str]) -> web.Response:
    body = json.dumps({"errors": [{"message": message}]})
    return web.Response(text=body, status=status, content_type="application/json", headers=headers)
