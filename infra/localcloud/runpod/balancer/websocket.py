"""A WebSocket through the load balancer: messages, pings and the closing code, both ways."""

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse
_HANDSHAKE = "sec-websocket-"
_CLOSED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


async def relay(
    session: aiohttp.ClientSession,
    request: web.Request,
    url: URL,
    headers: Mapping[str, str],
    added: Mapping[str, str],
) -> web.StreamResponse:
    """The worker is asked first: what it refuses, and the protocol that it picks, the client gets to see; with `added`
    headers."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    try:
        worker_side = await session.ws_connect(
            url,
            headers={
                name: value for name, value in headers.items() if not name.lower().startswith(_HANDSHAKE)
            },
            protocols=[name.strip() for name in offered.split(",") if name.strip()],
            max_msg_size=0,
            autoping=False,
            autoclose=False,
        )
    except aiohttp.WSServerHandshakeError as error:
        return web.json_response(
            {"error": f"the worker refused the WebSocket: {error.message}"}, status=error.status
        )
    async with worker_side:
        picked = (worker_side.protocol,) if worker_side.protocol else ()
        client_side = web.WebSocketResponse(protocols=picked, max_msg_size=0, autoping=False, autoclose=False)
        client_side.headers.update(added)
        await client_side.prepare(request)
        pumps = [
            asyncio.ensure_future(_pump(client_side, worker_side)),
            asyncio.ensure_future(_pump(worker_side, client_side)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
        return client_side


async def _pump(source: Socket, target: Socket) -> None:
    """Until either side closes; then the other one is told, with the same code."""
    try:
        while True:
            message = await source.receive()
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await target.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await target.pong(message.data)
            elif message.type in _CLOSED:
                told = message.type is WSMsgType.CLOSE
                await target.close(
                    code=message.data if told and message.data else source.close_code or 1011,
                    message=str(message.extra or "").encode(),
                )
                if told:
                    await source.close()
                return
    except (aiohttp.ClientError, ConnectionError):
        await target.close(code=1011, message=b"the other side is gone")
