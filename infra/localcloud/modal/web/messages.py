"""ASGI messages as the containers read and write them on a call's data streams."""

from collections.abc import Sequence
from typing import Any

from modal_proto import api_pb2

Headers = Sequence[tuple[bytes, bytes]]


def request_body(body: bytes, more: bool) -> bytes:
    part = api_pb2.Asgi.HttpRequest(body=body, more_body=more)
    return api_pb2.Asgi(http_request=part).SerializeToString()


def disconnect() -> bytes:
    return api_pb2.Asgi(http_disconnect=api_pb2.Asgi.HttpDisconnect()).SerializeToString()


def socket_connect() -> bytes:
    return api_pb2.Asgi(websocket_connect=api_pb2.Asgi.WebsocketConnect()).SerializeToString()


def socket_receive(data: str | bytes) -> bytes:
    part = (
        api_pb2.Asgi.WebsocketReceive(text=data)
        if isinstance(data, str)
        else api_pb2.Asgi.WebsocketReceive(bytes=data)
    )
    return api_pb2.Asgi(websocket_receive=part).SerializeToString()


def socket_disconnect(code: int) -> bytes:
    part = api_pb2.Asgi.WebsocketDisconnect(code=code)
    return api_pb2.Asgi(websocket_disconnect=part).SerializeToString()


def read(data: bytes) -> tuple[str, Any]:
    """Its kind ("http_response_start", "websocket_send", …) and the message; the kind is empty for an unknown one."""
    message = api_pb2.Asgi.FromString(data)
    kind = message.WhichOneof("type") or ""
    return kind, getattr(message, kind) if kind else None


def header_pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=False))
