"""WebSocket connections to functions."""

import asyncio

from aiohttp import WSMsgType, web

from infra.localcloud.modal.containers.fleet import LocalFleet
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.web import messages
from infra.localcloud.modal.web.exchange import Exchange, Place

ABNORMAL = 1006
INTERNAL_ERROR = 1011


async def answer(
    fleet: LocalFleet, request: web.Request, record: FunctionRecord, method: str, place: Place
) -> web.StreamResponse:
    exchange = Exchange.start(fleet, request, record, method, place)
    exchange.send(messages.socket_connect())
    async for kind, message in exchange.messages():
        if kind == "websocket_accept":
            subprotocol = message.subprotocol
            return await _talk(exchange, request, [subprotocol] if subprotocol else [])
        if kind == "websocket_close":
            break
    exchange.close()
    failure = exchange.failure
    if failure is not None:
        return web.Response(status=500, text=f"modal-http: {failure.exception or 'internal error'}\n")
    return web.Response(status=403, text="modal-http: the app did not accept the connection\n")


async def _talk(exchange: Exchange, request: web.Request, protocols: list[str]) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
    await connection.prepare(request)
    listening = asyncio.ensure_future(_listen(exchange, connection))
    try:
        async for kind, message in exchange.messages():
            if kind == "websocket_send":
                if message.HasField("text"):
                    await connection.send_str(message.text)
                else:
                    await connection.send_bytes(message.bytes)
            elif kind == "websocket_close":
                await connection.close(code=message.code or 1000, message=message.reason.encode())
                break
        if not connection.closed:
            await connection.close(code=INTERNAL_ERROR if exchange.failure else 1000)
    except ConnectionError:
        exchange.close(messages.socket_disconnect(ABNORMAL))
    finally:
        listening.cancel()
    exchange.close()
    return connection


async def _listen(exchange: Exchange, connection: web.WebSocketResponse) -> None:
    async for message in connection:
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            exchange.send(messages.socket_receive(message.data))
    exchange.close(messages.socket_disconnect(connection.close_code or ABNORMAL))
