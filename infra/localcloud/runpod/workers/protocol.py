"""The worker's side over HTTP, as the official `runpod.serverless` worker 1.12 speaks it."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from infra.localcloud.runpod.jobs.queue import Job
from infra.localcloud.runpod.jobs.wire import TooLarge, read_body, same
from infra.localcloud.runpod.workers.endpoint import Endpoint
from infra.localcloud.runpod.workers.worker import Phase, Worker

RESULT_BYTES = 20 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


class WorkerProtocol:
    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints

    def routes(self) -> list[web.RouteDef]:
        at = "/v2/{endpoint_id}"
        return [
            web.get(at + "/job-take/{pod}", self.job_take),
            web.get(at + "/job-take-batch/{pod}", self.job_take_batch),
            web.get(at + "/job-stop/{pod}", self.job_stop),
            web.get(at + "/ping/{pod}", self.ping),
            web.post(at + "/job-done/{pod}/{job}", self.job_done),
            web.post(at + "/job-stream/{pod}/{job}", self.job_stream),
        ]

    async def job_take(self, request: web.Request) -> web.Response:
        jobs = await self._take(request, 1)
        return web.json_response(_for_worker(jobs[0])) if jobs else web.Response(status=204)

    async def job_take_batch(self, request: web.Request) -> web.Response:
        size = request.query.get("batch_size", "1")
        jobs = await self._take(request, max(1, int(size)) if size.isdigit() else 1)
        return web.json_response([_for_worker(job) for job in jobs]) if jobs else web.Response(status=204)

    async def job_stop(self, request: web.Request) -> web.Response:
        endpoint, worker = self._worker(request)
        ids = await endpoint.stops(worker)
        return web.json_response({"jobsToStop": ids}) if ids else web.Response(status=204)

    async def ping(self, request: web.Request) -> web.Response:
        endpoint, worker = self._worker(request)
        query = request.query
        reason = f"fitness check {query.get('check', '')}: {query.get('reason', '')}"
        endpoint.crew.pinged(worker, reason if query.get("status") == "unhealthy" else "")
        return web.json_response({"status": "ok"})

    async def job_done(self, request: web.Request) -> web.Response:
        endpoint, worker = self._worker(request)
        result = await _read_json(request, RESULT_BYTES)
        if not isinstance(result, dict):
            raise _refused(f"a result is a JSON object, not {type(result).__name__}")
        endpoint.done(worker, request.match_info["job"], result)
        return web.json_response({"status": "ok"})

    async def job_stream(self, request: web.Request) -> web.Response:
        endpoint, worker = self._worker(request)
        chunk = await _read_json(request, CHUNK_BYTES)
        if not isinstance(chunk, dict) or "output" not in chunk:
            raise _refused("a stream chunk is an object with an output")
        endpoint.stream(worker, request.match_info["job"], chunk["output"])
        return web.json_response({"status": "ok"})

    async def _take(self, request: web.Request, count: int) -> list[Job]:
        endpoint, worker = self._worker(request)
        jobs = await endpoint.take(worker, count)
        if jobs and not _connected(request):
            endpoint.put_back(worker, jobs)
            return []
        return jobs

    def _worker(self, request: web.Request) -> tuple[Endpoint, Worker]:
        """401 whoever it is that does not hold the token of a living worker."""
        endpoint = self._endpoints.get(request.match_info["endpoint_id"])
        worker = endpoint.crew.workers.get(request.match_info["pod"]) if endpoint else None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if endpoint is None or worker is None or worker.phase is Phase.GONE or not same(token, worker.token):
            raise web.HTTPUnauthorized(
                text='{"error":"unknown worker or wrong token"}', content_type="application/json"
            )
        return endpoint, worker


def _for_worker(job: Job) -> dict[str, Any]:
    return {"id": job.id, "input": job.input}


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _read_json(request: web.Request, limit: int) -> Any:
    """The SDK labels its JSON as a form, so the label is not looked at."""
    try:
        return json.loads(await read_body(request, limit))
    except TooLarge as error:
        raise _refused(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _refused("the body is not JSON") from error


def _refused(why: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": why}), content_type="application/json")
