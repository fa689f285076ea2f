"""The job API of queue endpoints: what clients of `https://api.runpod.ai/v2/{endpoint}` call."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.jobs.batch_api import BatchApi
from infra.localcloud.runpod.jobs.limits import RateLimits
from infra.localcloud.runpod.jobs.openai import openai
from infra.localcloud.runpod.jobs.queue import Job, JobStatus
from infra.localcloud.runpod.jobs.request import BadRequest, parse
from infra.localcloud.runpod.jobs.wire import TooLarge, read_body, same, wait_seconds
from infra.localcloud.runpod.model import WorkerStatus

if TYPE_CHECKING:
    from infra.localcloud.runpod.balancer import BalancedEndpoint
    from infra.localcloud.runpod.workers.endpoint import Endpoint

RUN_BYTES, RUNSYNC_BYTES = 10 * 1024 * 1024, 20 * 1024 * 1024
SYNC_WAIT_MS, STREAM_WAIT_MS = 90_000, 10_000

Operation = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


class JobApi:
    """`balanced` are endpoints that take no jobs; of them only the health is known here."""

    def __init__(
        self,
        endpoints: Mapping[str, "Endpoint"],
        balanced: Mapping[str, "BalancedEndpoint"],
        api_key: str,
        limits: RateLimits,
    ) -> None:
        self._endpoints, self._balanced, self._api_key, self._limits = endpoints, balanced, api_key, limits

    def routes(self) -> list[web.RouteDef]:
        def at(path: str, operation: Operation) -> Any:
            async def handler(request: web.Request) -> web.StreamResponse:
                return await operation(request, self._admit(request, path.split("/")[0]))

            return f"/v2/{{endpoint_id}}/{path}", handler

        return [
            web.post(*at("run", self.run)),
            web.post(*at("runsync", self.runsync)),
            web.get(*at("status/{job}", self.status)),
            web.post(*at("status/{job}", self.status)),
            web.get(*at("status-sync/{job}", self.status_sync)),
            web.get(*at("stream/{job}", self.stream)),
            web.post(*at("stream/{job}", self.stream)),
            web.post(*at("cancel/{job}", self.cancel)),
            web.post(*at("retry/{job}", self.retry)),
            web.post(*at("purge-queue", self.purge_queue)),
            web.get(*at("health", self.health)),
            web.get(*at("metrics", self.metrics)),
            web.get(*at("requests", self.requests)),
            web.route("*", *at("openai/{path:.*}", openai)),
            *BatchApi(self._admit).routes(),
        ]

    async def run(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = await _submit(request, endpoint, sync=False, limit=RUN_BYTES)
        return web.json_response({"id": job.id, "status": JobStatus.IN_QUEUE.value})

    async def runsync(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = await _submit(request, endpoint, sync=True, limit=RUNSYNC_BYTES)
        await endpoint.wait_end(job, wait_seconds(request, SYNC_WAIT_MS, low_ms=1000))
        return _status(endpoint, job)

    async def status(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        return web.json_response(_job(request, endpoint).view())

    async def status_sync(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = _job(request, endpoint)
        await endpoint.wait_end(job, wait_seconds(request, SYNC_WAIT_MS))
        return _status(endpoint, job)

    async def stream(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = _job(request, endpoint)
        await endpoint.wait_chunk(job, wait_seconds(request, STREAM_WAIT_MS))
        if endpoint.get(job.id) is None:
            raise _error(web.HTTPNotFound, "job not found")
        chunks = [{"output": chunk} for chunk in job.chunks]
        job.chunks.clear()
        return web.json_response({"id": job.id, "status": job.status.value, "stream": chunks})

    async def cancel(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = _job(request, endpoint)
        endpoint.cancel(job)
        return web.json_response({"id": job.id, "status": job.status.value})

    async def retry(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        job = _job(request, endpoint)
        if job.status not in (JobStatus.FAILED, JobStatus.TIMED_OUT):
            raise _error(
                web.HTTPBadRequest,
                f"only FAILED and TIMED_OUT jobs can be retried; this one is {job.status.value}",
            )
        endpoint.retry(job)
        return web.json_response({"id": job.id, "status": JobStatus.IN_QUEUE.value})

    async def purge_queue(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        return web.json_response({"removed": endpoint.purge(), "status": "completed"})

    async def health(self, request: web.Request, endpoint: "Endpoint | BalancedEndpoint") -> web.Response:
        counts = endpoint.counts()
        jobs = {
            "completed": counts.completed,
            "failed": counts.failed,
            "inProgress": counts.in_progress,
            "inQueue": counts.in_queue,
            "retried": counts.retried,
        }
        return web.json_response({"jobs": jobs, "workers": _workers(endpoint)})

    async def metrics(self, request: web.Request, endpoint: "Endpoint | BalancedEndpoint") -> web.Response:
        ready = [view.id for view in endpoint.crew.views() if view.status in _READY]
        return web.json_response({"readyWorkers": ready, "workers": _workers(endpoint)})

    async def requests(self, request: web.Request, endpoint: "Endpoint") -> web.Response:
        return web.json_response({"requests": [job.view() for job in endpoint.queue.jobs.values()]})

    def _admit(self, request: web.Request, operation: str) -> Any:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not same(key, self._api_key):
            raise _error(web.HTTPUnauthorized, "the API key is missing or wrong")
        endpoint_id = request.match_info["endpoint_id"]
        endpoint: Endpoint | BalancedEndpoint | None = self._endpoints.get(endpoint_id)
        if endpoint is None and operation in ("health", "metrics"):
            endpoint = self._balanced.get(endpoint_id)
        if endpoint is None:
            if endpoint_id in self._balanced:
                raise _error(
                    web.HTTPBadRequest,
                    f"{endpoint_id} is a load-balancing endpoint and takes no jobs; send requests to /lb/{endpoint_id}/…",
                )
            raise _error(web.HTTPNotFound, f"endpoint {endpoint_id} not found")
        if (wait_s := self._limits.admit(endpoint.id, operation, endpoint.crew.ready_count)) > 0:
            error = _error(web.HTTPTooManyRequests, f"too many {operation} requests in 10 s")
            error.headers["Retry-After"] = str(max(1, round(wait_s)))
            raise error
        return endpoint


_READY = (WorkerStatus.IDLE, WorkerStatus.RUNNING)


async def _submit(request: web.Request, endpoint: "Endpoint", *, sync: bool, limit: int) -> Job:
    try:
        wanted = parse(await read_body(request, limit))
    except TooLarge as error:
        raise _error(web.HTTPRequestEntityTooLarge, str(error)) from error
    except BadRequest as error:
        raise _error(web.HTTPBadRequest, str(error)) from error
    return endpoint.submit(
        wanted.input,
        sync=sync,
        webhook=wanted.webhook,
        timeout_s=wanted.timeout_s,
        ttl_s=wanted.ttl_s,
        low_priority=wanted.low_priority,
    )


def _job(request: web.Request, endpoint: "Endpoint") -> Job:
    job = endpoint.get(request.match_info["job"])
    if job is None:
        raise _error(web.HTTPNotFound, "job not found")
    return job


def _status(endpoint: "Endpoint", job: Job) -> web.Response:
    """After a wait: the job may have reached the end of its ttl meanwhile."""
    if endpoint.get(job.id) is None:
        raise _error(web.HTTPNotFound, "job not found")
    return web.json_response(job.view())


def _workers(endpoint: "Endpoint | BalancedEndpoint") -> dict[str, int]:
    counts = {status.value.lower(): 0 for status in WorkerStatus}
    for view in endpoint.crew.views():
        counts[view.status.value.lower()] += 1
    return counts | {"ready": counts["idle"] + counts["running"]}


def _error(kind: Callable[..., web.HTTPException], text: str) -> web.HTTPException:
    if kind is web.HTTPRequestEntityTooLarge:
        return web.HTTPRequestEntityTooLarge(
            max_size=0, actual_size=0, text=json.dumps({"error": text}), content_type="application/json"
        )
    return kind(text=json.dumps({"error": text}), content_type="application/json")
