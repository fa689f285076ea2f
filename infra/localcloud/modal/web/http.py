"""HTTP requests to functions: bodies and answers are streamed, so server-sent events arrive as they are sent."""

import asyncio
from typing import Any

from aiohttp import web
from modal_proto import api_pb2
from multidict import CIMultiDict

from infra.localcloud.modal.containers.fleet import LocalFleet
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.web import messages
from infra.localcloud.modal.web.exchange import Exchange, Place

BODY_CHUNK = 1 << 20
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}
# Modal answers a request that takes longer with a redirect to where its answer will be.
PATIENCE_S = 150.0
CALL_ID = "__modal_function_call_id"


async def answer(
    fleet: LocalFleet, request: web.Request, record: FunctionRecord, method: str, place: Place
) -> web.StreamResponse:
    exchange = _resumed(fleet, request) or Exchange.start(fleet, request, record, method, place)
    started: web.StreamResponse | None = None
    upload = None if CALL_ID in request.query else asyncio.ensure_future(_upload(request, exchange))
    until = fleet.world.clock.monotonic() + PATIENCE_S
    try:
        async for kind, message in exchange.messages(until):
            if kind == "http_response_start":
                started = _start(message)
                await started.prepare(request)
                break
        if started is None:
            return _no_answer(request, exchange)
        await _pass_on(exchange, started)
    except (ConnectionResetError, asyncio.CancelledError):
        exchange.close(messages.disconnect())
        raise
    finally:
        if upload is not None:
            upload.cancel()
    exchange.close(messages.disconnect() if exchange.gone else None)
    return started


async def _pass_on(exchange: Exchange, started: web.StreamResponse) -> None:
    async for kind, message in exchange.messages():
        if kind != "http_response_body":
            continue
        if message.body:
            await started.write(message.body)
        if not message.more_body:
            break
    if not exchange.gone:
        await started.write_eof()


async def _upload(request: web.Request, exchange: Exchange) -> None:
    """The first message at once: a container gives up on a request of which nothing comes."""
    ended = False
    while not ended:
        chunk = await request.content.read(BODY_CHUNK) if request.can_read_body else b""
        ended = not chunk or request.content.at_eof()
        exchange.send(messages.request_body(chunk, not ended))


def _start(message: Any) -> web.StreamResponse:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in messages.header_pairs(message.headers):
        if name.decode("latin-1").lower() not in HOP_BY_HOP:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return web.StreamResponse(status=message.status, headers=headers)


def _no_answer(request: web.Request, exchange: Exchange) -> web.StreamResponse:
    """The call has failed before it answered, or is at it for very long."""
    failure = exchange.failure
    if failure is None and not exchange.call.done:
        if exchange.gone:
            exchange.close(messages.disconnect())
        later = request.rel_url.update_query({CALL_ID: exchange.call.id})
        return web.Response(status=303, headers={"Location": str(later)})
    exchange.close()
    if failure is None:
        return web.Response(status=500, text="modal-http: the app sent no response\n")
    timed_out = failure.status == api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
    text = f"modal-http: {failure.exception or 'internal error'}\n"
    return web.Response(status=504 if timed_out else 500, text=text)


def _resumed(fleet: LocalFleet, request: web.Request) -> Exchange | None:
    call_id = request.query.get(CALL_ID)
    if call_id is None:
        return None
    call = fleet.book.calls.get(call_id)
    if call is None:
        raise web.HTTPNotFound(text=f"modal-http: function call {call_id} has expired\n")
    return Exchange(fleet, request, call)
