"""`/v2/{endpoint}/openai/{path}`: a request in OpenAI's form as a job, and the job's result in OpenAI's form.

The worker gets `{"openai_route": "/v1/…", "openai_input": {…}}` (without input for a bare GET) and yields one object, or,
where the body says `"stream": true`, pieces of a server-sent event stream. Source: RunPod's worker-vllm, 2026-08.
"""

import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.jobs.queue import NOTHING, Job, JobStatus
from infra.localcloud.runpod.jobs.wire import TooLarge, parse_json, read_body

if TYPE_CHECKING:
    from infra.localcloud.runpod.workers.endpoint import Endpoint

BODY_BYTES = 20 * 1024 * 1024
LOOK_S = 5.0  # between two looks whether the client is still there


async def openai(request: web.Request, endpoint: "Endpoint") -> web.StreamResponse:
    try:
        body = await read_body(request, BODY_BYTES)
        wanted = parse_json(body) if body else None
    except TooLarge as error:
        return _error(413, str(error), "invalid_request_error")
    except ValueError:
        return _error(400, "the body is not JSON", "invalid_request_error")
    payload = {"openai_route": "/" + request.match_info["path"]}
    job = endpoint.submit(payload if wanted is None else payload | {"openai_input": wanted}, sync=True)
    if isinstance(wanted, dict) and wanted.get("stream") is True:
        return await _stream(request, endpoint, job)
    return await _whole(request, endpoint, job)


async def _whole(request: web.Request, endpoint: "Endpoint", job: Job) -> web.StreamResponse:
    await _wait(request, endpoint, job, lambda: endpoint.wait_end(job, LOOK_S), lambda: False)
    if (failure := _failure(endpoint, job)) is not None:
        return failure
    result = job.chunks[0] if job.chunks else job.output
    if not job.chunks and isinstance(result, list) and len(result) == 1:
        result = result[0]
    text = result if isinstance(result, str) else json.dumps(None if result is NOTHING else result)
    return web.Response(status=_status_of(result), text=text, content_type="application/json")


async def _stream(request: web.Request, endpoint: "Endpoint", job: Job) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    while True:
        await _wait(
            request, endpoint, job, lambda: endpoint.wait_chunk(job, LOOK_S), lambda: bool(job.chunks)
        )
        if not response.prepared:
            if not job.chunks and (failure := _failure(endpoint, job)) is not None:
                return failure
            await response.prepare(request)
        while job.chunks:
            await response.write(_event(job.chunks.popleft()))
        if job.status.final or endpoint.get(job.id) is None:
            break
    if job.status is not JobStatus.COMPLETED:
        await response.write(_event({"error": {"message": _text(job), "type": "server_error"}}))
    await response.write_eof()
    return response


async def _wait(
    request: web.Request,
    endpoint: "Endpoint",
    job: Job,
    wait: Callable[[], Coroutine[Any, Any, None]],
    enough: Callable[[], bool],
) -> None:
    """Until the job is over or there is enough. Nobody waits for a job whose client has gone: it is cancelled."""
    while not enough() and not job.status.final and endpoint.get(job.id) is not None:
        if request.transport is None or request.transport.is_closing():
            endpoint.cancel(job)
            return
        await wait()


def _failure(endpoint: "Endpoint", job: Job) -> web.Response | None:
    if job.status is JobStatus.COMPLETED:
        return None
    late = job.status is JobStatus.TIMED_OUT or endpoint.get(job.id) is None
    return _error(504 if late else 500, _text(job), "server_error")


def _text(job: Job) -> str:
    """The message of an exception in the handler, without its traceback. The SDK tells it in JSON, or, of a generator,
    in words."""
    try:
        return str(json.loads(job.error)["error_message"])
    except (ValueError, KeyError, TypeError):
        said = str(job.error or f"the request is {job.status.value}")
        return said.partition("\ntraceback: ")[0].removeprefix("handler: ").strip()


def _event(chunk: Any) -> bytes:
    """A string is part of the stream as it is."""
    return (
        chunk.encode(errors="replace")
        if isinstance(chunk, str)
        else f"data: {json.dumps(chunk)}\n\n".encode()
    )


def _status_of(result: Any) -> int:
    """vLLM's error objects carry the status that they want."""
    if isinstance(result, dict):
        error = result.get("error") if isinstance(result.get("error"), dict) else result
        failed = error is not result or result.get("object") == "error"
        code = error.get("code") if isinstance(error, dict) else None
        if failed:
            return code if isinstance(code, int) and 400 <= code < 600 else 400
    return 200


def _error(status: int, message: str, kind: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": kind, "code": status}}, status=status)
