"""The routes of batches: `/v2/{endpoint}/batch…`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.jobs.batches import BatchRefused, inputs_of
from infra.localcloud.runpod.jobs.wire import TooLarge, parse_json, read_body

if TYPE_CHECKING:
    from infra.localcloud.runpod.workers.endpoint import Endpoint

BODY_BYTES = 20 * 1024 * 1024
PAGE, PAGE_MOST = 100, 1000
_TIMES = ("createdAt", "finalizedAt", "startedAt", "completedAt")

Admit = Callable[[web.Request, str], Any]


class BatchApi:
    def __init__(self, admit: Admit) -> None:
        self._admit = admit

    def routes(self) -> list[web.RouteDef]:
        at = "/v2/{endpoint_id}/batch"
        return [
            web.post(at, self._route(self.create)),
            web.get(at, self._route(self.list)),
            web.get(at + "/{batch}", self._route(self.get)),
            web.put(at + "/{batch}", self._route(self.rename)),
            web.post(at + "/{batch}/requests", self._route(self.add)),
            web.get(at + "/{batch}/requests", self._route(self.requests)),
            web.delete(at + "/{batch}/requests/{request}", self._route(self.remove)),
            web.post(at + "/{batch}/finalize", self._route(self.finalize)),
            web.post(at + "/{batch}/cancel", self._route(self.cancel)),
        ]

    async def create(self, request: web.Request, endpoint: "Endpoint") -> Any:
        body = await _json(request)
        name = body.get("name", "") if isinstance(body, dict) else ""
        return endpoint.batches.create(str(name), inputs_of(body))

    async def list(self, request: web.Request, endpoint: "Endpoint") -> Any:
        return {"batches": [_told(batch, endpoint) for batch in endpoint.batches.newest_first()]}

    async def get(self, request: web.Request, endpoint: "Endpoint") -> Any:
        return endpoint.batches.view(request.match_info["batch"])

    async def rename(self, request: web.Request, endpoint: "Endpoint") -> Any:
        body = await _json(request)
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise BatchRefused("name is not a string")
        return endpoint.batches.rename(request.match_info["batch"], body["name"])

    async def add(self, request: web.Request, endpoint: "Endpoint") -> Any:
        return endpoint.batches.add(request.match_info["batch"], inputs_of(await _json(request)))

    async def requests(self, request: web.Request, endpoint: "Endpoint") -> Any:
        after = _number(request.query.get("cursor"), 0)
        limit = min(max(_number(request.query.get("limit"), PAGE), 1), PAGE_MOST)
        page, more = endpoint.batches.page(request.match_info["batch"], after, limit)
        return {
            "requests": [_timed(entry) for entry in page],
            "nextCursor": None if more is None else str(more),
        }

    async def remove(self, request: web.Request, endpoint: "Endpoint") -> Any:
        endpoint.batches.remove(request.match_info["batch"], request.match_info["request"])
        return None

    async def finalize(self, request: web.Request, endpoint: "Endpoint") -> Any:
        return endpoint.batches.finalize(request.match_info["batch"])

    async def cancel(self, request: web.Request, endpoint: "Endpoint") -> Any:
        for job_id in endpoint.batches.cancel(request.match_info["batch"]):
            if (job := endpoint.get(job_id)) is not None:
                endpoint.cancel(job)
        return endpoint.batches.view(request.match_info["batch"])

    def _route(self, operation: Any) -> Any:
        async def handler(request: web.Request) -> web.Response:
            endpoint = self._admit(request, "batch")
            try:
                answer = await operation(request, endpoint)
            except KeyError:
                return web.json_response({"error": "batch or request not found"}, status=404)
            except TooLarge as error:
                return web.json_response({"error": str(error)}, status=413)
            except BatchRefused as refused:
                return web.json_response({"error": str(refused)}, status=400)
            if answer is None:
                return web.Response(status=204)
            return web.json_response(_told(answer, endpoint) if "status" in answer else answer)

        return handler


def _told(batch: dict[str, Any], endpoint: "Endpoint") -> dict[str, Any]:
    return _timed(batch) | {"endpointId": endpoint.id}


def _timed(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {
        name: datetime.fromtimestamp(entry[name], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name in _TIMES
        if name in entry
    }


async def _json(request: web.Request) -> Any:
    try:
        return parse_json(await read_body(request, BODY_BYTES) or b"{}")
    except ValueError as error:
        raise BatchRefused("the body is not JSON") from error


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) < 10 else otherwise
