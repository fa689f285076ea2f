"""A handler over HTTP, without a framework: POST `{"input": {...}}`, as on every cloud.

The answer is `{"output": ...}` with status 200, or `{"error": "..."}` with 400 (the request's fault) or 500. With
`Accept: text/event-stream` each value that `predict` yields is an event as soon as it is there.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .contract import Calls

LIMIT_BYTES = 64 * 2**20

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Message], Awaitable[None]]


class Asgi:
    """With `at_once`, further requests wait for one of those to end."""

    def __init__(self, calls: Calls, *, at_once: int | None = None) -> None:
        self._calls = calls
        self._slots = None if at_once is None else asyncio.Semaphore(at_once)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        if scope["path"].rstrip("/") == "/health" and scope["method"] in ("GET", "HEAD"):
            await _answer(send, 200, {"status": "ready"})
            return
        if scope["path"] not in ("", "/"):
            await _answer(send, 404, {"error": "there is nothing here; POST to / instead"})
            return
        if scope["method"] != "POST":
            await _answer(send, 405, {"error": f"{scope['method']} is not served; POST instead"})
            return
        try:
            request = _input(await _body(receive))
        except ValueError as error:
            await _answer(send, 400, {"error": str(error)})
            return
        async with self._slots or contextlib.nullcontext():
            if _accepts_events(scope):
                await self._events(request, send)
            else:
                await _answer(send, *await self._outcome(request))

    async def _outcome(self, request: Any) -> tuple[int, Any]:
        try:
            return 200, {"output": await self._calls.result(request)}
        except Exception as error:
            return self._refusal(error, request)

    async def _events(self, request: Any, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            if self._calls.streams:
                async for item in self._calls.results(request):
                    await send(_event(item))
            else:
                await send(_event(await self._calls.result(request)))
        except Exception as error:
            _, body = self._refusal(error, request)
            await send(_event(body, name="error"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _refusal(self, error: Exception, request: Any) -> tuple[int, Any]:
        asked = request if isinstance(request, dict) else {}
        text = self._calls.explain(error, asked)
        missing = type(error) is KeyError and bool(error.args) and error.args[0] not in asked
        return (400 if missing or isinstance(error, ValueError) else 500), {"error": text}


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        kind = message["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ValueError("the request was cut off")
        body += message.get("body", b"")
        if len(body) > LIMIT_BYTES:
            raise ValueError(f"the request is larger than {LIMIT_BYTES // 2**20} MiB")
        if not message.get("more_body"):
            return bytes(body)


def _input(body: bytes) -> Any:
    try:
        said = json.loads(body)
    except ValueError:
        raise ValueError('the body is not JSON; wanted {"input": {...}}') from None
    if not isinstance(said, dict) or "input" not in said:
        raise ValueError('the body has no "input"; wanted {"input": {...}}')
    return said["input"]


def _accepts_events(scope: Mapping[str, Any]) -> bool:
    return any(name == b"accept" and b"text/event-stream" in value for name, value in scope["headers"])


def _event(value: Any, name: str = "") -> Message:
    text = (f"event: {name}\n" if name else "") + f"data: {json.dumps(value)}\n\n"
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}


async def _answer(send: Send, status: int, value: Any) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
