"""`@app.server`: requests go straight to the port that its container listens on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from infra.localcloud.modal.containers.container import Container, Phase
from infra.localcloud.modal.containers.fleet import LocalFleet
from infra.localcloud.modal.containers.pool import Pool
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.web.exchange import Place, is_websocket
from infra.localcloud.modal.web.http import HOP_BY_HOP

CHUNK = 1 << 16


async def answer(
    fleet: LocalFleet, request: web.Request, record: FunctionRecord, place: Place
) -> web.StreamResponse:
    async with _container(fleet, record) as container:
        query = request.rel_url.raw_query_string
        target = f"http://127.0.0.1:{record.function.http_config.port}{place.raw_path}"
        url = URL(f"{target}?{query}" if query else target, encoded=True)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            began = fleet.world.clock.now()
            status = 502
            try:
                send = _socket if is_websocket(request) else _request
                response = await send(session, request, url)
                status = response.status
                return response
            except aiohttp.ClientConnectionError as error:
                raise web.HTTPBadGateway(
                    text=f"modal-http: container {container.id} does not answer: {error}\n"
                ) from None
            finally:
                fleet.tally.request(
                    container, f"{request.method} {place.raw_path}", began, status, fleet.world.clock.now()
                )


@asynccontextmanager
async def _container(fleet: LocalFleet, record: FunctionRecord) -> AsyncIterator[Container]:
    """One that is ready, which is started if there is none. Raises 429 where it has enough to do, 503 if none comes."""
    pool = fleet.pool(record.function_id)
    container = await _ready(fleet, pool, record)
    most = record.function.max_concurrent_inputs
    if most and container.requests >= most:
        raise web.HTTPTooManyRequests(text="modal-http: the server has all the requests that it takes\n")
    container.requests += 1
    try:
        yield container
    finally:
        container.requests -= 1
        pool.crew.rested(container)
        pool.crew.adjust()


async def _ready(fleet: LocalFleet, pool: Pool, record: FunctionRecord) -> Container:
    pool.requests += 1
    pool.failure = None
    try:
        pool.crew.adjust()
        while True:
            for container in pool.crew.containers.values():
                if container.phase is Phase.READY and not container.retiring:
                    return container
            if pool.failure is not None:
                reason = pool.failure.exception or "its container cannot start"
                raise web.HTTPServiceUnavailable(text=f"modal-http: {reason}\n")
            if record.stopped:
                raise web.HTTPNotFound(text="modal-http: the app was stopped\n")
            await fleet.changed.wait(record.function_id, 60)
    finally:
        pool.requests -= 1


async def _request(session: aiohttp.ClientSession, request: web.Request, url: URL) -> web.StreamResponse:
    body = request.content if request.can_read_body else None
    async with session.request(
        request.method, url, headers=_headers(request.headers), data=body, allow_redirects=False
    ) as answered:
        response = web.StreamResponse(status=answered.status, headers=_headers(answered.headers))
        await response.prepare(request)
        async for chunk in answered.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _socket(session: aiohttp.ClientSession, request: web.Request, url: URL) -> web.WebSocketResponse:
    offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name]
    headers = {
        name: value
        for name, value in _headers(request.headers).items()
        if not name.lower().startswith("sec-websocket")
    }
    async with session.ws_connect(url, headers=headers, protocols=offered, max_msg_size=0) as upstream:
        chosen = [upstream.protocol] if upstream.protocol else []
        client = web.WebSocketResponse(protocols=chosen, max_msg_size=0)
        await client.prepare(request)
        ways = [
            asyncio.ensure_future(_pass_on(client, upstream)),
            asyncio.ensure_future(_pass_on(upstream, client)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await client.close(code=upstream.close_code or 1000)
        return client


async def _pass_on(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)


def _headers(given: "CIMultiDict[str] | aiohttp.typedefs.LooseHeaders") -> "CIMultiDict[str]":
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in CIMultiDict(given).items():
        if name.lower() not in HOP_BY_HOP:
            kept.add(name, str(value))
    return kept
