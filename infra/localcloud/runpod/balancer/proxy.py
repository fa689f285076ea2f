"""The way of a request to a worker and back: streamed both ways, with the platform's limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from infra.localcloud.core.timers import Timers
from infra.localcloud.runpod.balancer import affinity
from infra.localcloud.runpod.balancer.endpoint import BalancedEndpoint, NoWorker, WorkerGone
from infra.localcloud.runpod.balancer.health import health_path
from infra.localcloud.runpod.balancer.websocket import relay
from infra.localcloud.runpod.jobs.wire import same
from infra.localcloud.runpod.workers.logs import last_words
from infra.localcloud.runpod.workers.worker import Worker

PROCESSING_S = 330.0
PAYLOAD_BYTES = 30 * 1024 * 1024  # of a request, and of a response
_CRASH_S = 1.0  # how long after a broken connection an exit still explains it
_TRIES = 3  # a worker that cannot be connected to has seen nothing of the request
_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
_HOP |= {"transfer-encoding"}
# The account's key opens the endpoint; it is not the worker's to see.
_NOT_FORWARDED = _HOP | {"authorization", affinity.HEADER.lower()}


class Broken(Exception):
    """The worker gave no answer. The text says why."""


class TooLarge(Exception):
    """Of a request's body."""


class Proxy:
    def __init__(self, endpoints: Mapping[str, BalancedEndpoint], api_key: str, timers: Timers) -> None:
        self._endpoints, self._api_key, self._timers = endpoints, api_key, timers
        self._session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/lb/{endpoint_id}", self.handle),
            web.route("*", "/lb/{endpoint_id}/{path:.*}", self.handle),
        ]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not same(key, self._api_key):
            return _error(401, "the API key is missing or wrong")
        endpoint = self._endpoints.get(request.match_info["endpoint_id"])
        if endpoint is None:
            return _error(404, f"load-balancing endpoint {request.match_info['endpoint_id']} not found")
        if (request.content_length or 0) > PAYLOAD_BYTES:
            return _error(413, f"the body has more than the {PAYLOAD_BYTES} bytes that are taken")
        wanted = affinity.parse(request.headers.get(affinity.HEADER, ""))
        for attempt in range(_TRIES):
            try:
                worker = await endpoint.acquire(wanted)
            except WorkerGone as error:
                return _error(404, str(error))
            except NoWorker as error:
                return _error(400, str(error))
            try:
                answer = await self._limited(request, worker)
            except aiohttp.ClientConnectorError:
                endpoint.release(worker, answered=False)
                why = await _why(worker, "does not take connections")
                if attempt == _TRIES - 1 or wanted.pin is affinity.Pin.STRICT:
                    return _error(502, f"worker {worker.id} {why}", worker)
                continue
            except BaseException:
                endpoint.release(worker, answered=False)
                raise
            endpoint.release(worker, answered=answer.status < 500)
            return answer
        raise AssertionError("unreachable")

    async def _limited(self, request: web.Request, worker: Worker) -> web.StreamResponse:
        """WebSockets may last; everything else is cut off."""
        if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            return await self._websocket(request, worker)
        response = web.StreamResponse()
        task = asyncio.ensure_future(self._exchange(request, worker, response))
        expired = False

        def cut_off() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        limit = self._timers.after(PROCESSING_S, cut_off)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            if not expired:
                raise
            return _end(request, response, 524, f"processing took more than {PROCESSING_S:g} s", worker)
        except TooLarge as error:
            return _end(request, response, 413, str(error), worker)
        except Broken as error:
            why = await _why(worker, str(error))
            return _end(request, response, 502, f"worker {worker.id} {why}", worker)
        finally:
            limit.cancel()

    async def _websocket(self, request: web.Request, worker: Worker) -> web.StreamResponse:
        url = self._url(request, worker).with_scheme("ws")
        try:
            return await relay(self._client(), request, url, _headers(request), {affinity.HEADER: worker.id})
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            why = await _why(worker, f"closed the connection ({error})")
            return _error(502, f"worker {worker.id} {why}", worker)

    async def _exchange(
        self, request: web.Request, worker: Worker, response: web.StreamResponse
    ) -> web.StreamResponse:
        body = _body(request) if request.body_exists else None
        try:
            asked = self._client().request(
                request.method,
                self._url(request, worker),
                headers=_headers(request),
                data=body,
                allow_redirects=False,
            )
            async with asked as answer:
                await _relay_answer(request, worker, answer, response)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error.__cause__, TooLarge):
                raise error.__cause__ from error
            raise Broken(f"closed the connection ({error})") from error
        return response

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                # A worker may close an idle connection just as a request goes out on it, which would look like a crash.
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    def _url(self, request: web.Request, worker: Worker) -> URL:
        """As it was sent, byte for byte."""
        assert worker.ports is not None
        prefix = f"/lb/{request.match_info['endpoint_id']}"
        target = request.raw_path.removeprefix(prefix)
        path = target.partition("?")[0]
        port = worker.ports[1 if path == health_path(worker) else 0]
        return URL(
            f"http://127.0.0.1:{port}{target if target.startswith('/') else '/' + target}", encoded=True
        )


async def _relay_answer(
    request: web.Request, worker: Worker, answer: aiohttp.ClientResponse, response: web.StreamResponse
) -> None:
    if (answer.content_length or 0) > PAYLOAD_BYTES:
        raise Broken(f"answered with more than the {PAYLOAD_BYTES} bytes that are let through")
    response.set_status(answer.status, answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP:
            response.headers.add(name, _location(request, value) if name.lower() == "location" else value)
    response.headers[affinity.HEADER] = worker.id
    await response.prepare(request)
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > PAYLOAD_BYTES:
            raise Broken(f"answered with more than the {PAYLOAD_BYTES} bytes that are let through")
        await response.write(chunk)
    await response.write_eof()


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > PAYLOAD_BYTES:
            raise TooLarge(f"the body has more than the {PAYLOAD_BYTES} bytes that are taken")
        yield chunk


def _headers(request: web.Request) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (name, value) for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED
    )
    headers["X-Forwarded-For"] = "127.0.0.1"
    headers["X-Forwarded-Proto"] = "http"
    headers["X-Forwarded-Prefix"] = f"/lb/{request.match_info['endpoint_id']}"
    return headers


def _location(request: web.Request, location: str) -> str:
    """A redirect within the worker's own paths, which lie deeper here."""
    origin = f"{request.scheme}://{request.host}"
    path = location.removeprefix(origin)
    if not path.startswith("/") or path.startswith("//"):
        return location
    return f"/lb/{request.match_info['endpoint_id']}{path}"


async def _why(worker: Worker, otherwise: str) -> str:
    """How it ended, if it did."""
    process = worker.process
    if process is None:
        return otherwise
    await asyncio.wait({process.exited}, timeout=_CRASH_S)
    if not process.exited.done():
        return otherwise
    code = process.exited.result()
    how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
    return last_words(worker.log, how)


def _end(
    request: web.Request, response: web.StreamResponse, status: int, text: str, worker: Worker
) -> web.StreamResponse:
    """An answer that has begun cannot become another one: it is cut off, so that nobody takes it for whole."""
    if not response.prepared:
        return _error(status, text, worker)
    if request.transport is not None:
        request.transport.abort()
    return response


def _error(status: int, text: str, worker: Worker | None = None) -> web.Response:
    headers = {affinity.HEADER: worker.id} if worker else {}
    body = json.dumps({"error": text})
    reason = "A Timeout Occurred" if status == 524 else None
    return web.Response(
        status=status, reason=reason, text=body, content_type="application/json", headers=headers
    )
