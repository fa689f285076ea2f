"""Modal's gRPC service over h2c: who calls, what answers, and the same answer to the same request."""

import asyncio
import inspect
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

from google.protobuf import message_factory
from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream
from modal_proto import api_pb2

from .access import check_token
from .errors import RpcError
from .mischief import strike
from .replay import DEDUPLICATED, Replay
from .world import World

__all__ = ["Call", "GrpcServer", "RpcError", "RpcServer", "Rpcs", "serve"]

log = logging.getLogger("pilotlight.cloud.modal")

SERVICE = "modal.client.ModalClient"
# It reports each request that a client gives up, which is how clients end their waiting.
logging.getLogger("grpclib.server").setLevel(logging.WARNING)
CONTAINER = 3


@dataclass
class Call:
    """Who calls what. `task_id` is set on a container's own socket, where no token is asked for.

    A text in `warnings` is shown to the user by the client.
    """

    method: str
    client_type: int
    client_version: str
    token_ok: bool
    task_id: str | None
    idempotency_key: str
    metadata: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    @property
    def user(self) -> str:
        return "container" if self.task_id else "local"


# `async def handler(request, call) -> response`, or an async generator for a stream of responses.
RpcHandler = Callable[[Any, Call], Awaitable[Message] | AsyncIterator[Message]]
Rpcs = dict[str, RpcHandler]


class RpcServer:
    """One set of handlers, for clients on a TCP port and for each container on a Unix socket of its own."""

    def __init__(self, world: World, rooms: Iterable[Rpcs]) -> None:
        self.unknown: dict[str, int] = {}
        self._world = world
        self._handlers: Rpcs = {}
        for room in rooms:
            twice = self._handlers.keys() & room.keys()
            if twice:
                raise ValueError(f"two rooms answer {', '.join(sorted(twice))}")
            self._handlers.update(room)
        self._replay = Replay(world.clock)
        self._servers: set[GrpcServer] = set()

    async def listen(self, bound: socket.socket) -> None:
        """For clients with a token."""
        # asyncio leaves this out for sockets that name no protocol, and every answer would then wait 40 ms.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._start(None, sock=bound)

    async def listen_task(self, task_id: str, path: Path) -> "GrpcServer":
        """For one container, which needs no token. Hand the result to `hang_up` when it has ended."""
        return await self._start(task_id, path=str(path))

    async def hang_up(self, server: "GrpcServer") -> None:
        self._servers.discard(server)
        await server.end()

    async def close(self) -> None:
        for server in list(self._servers):
            await self.hang_up(server)

    async def _start(self, task_id: str | None, **where: Any) -> "GrpcServer":
        server = GrpcServer([_Service(self, task_id)], status_details_codec=_Details())
        await server.start(**where)
        self._servers.add(server)
        return server

    async def answer(self, name: str, streams: bool, task_id: str | None, stream: "Stream[Any, Any]") -> None:
        request = await stream.recv_message()
        if request is None:
            return
        metadata = {key: value for key, value in (stream.metadata or {}).items() if isinstance(value, str)}
        call = _call(name, metadata, task_id)
        try:
            handler = self._handlers.get(name)
            if handler is None:
                self.unknown[name] = self.unknown.get(name, 0) + 1
                log.warning("unknown RPC %s (client %s)", name, call.client_version or "of no version")
                raise RpcError(Status.UNIMPLEMENTED, f"The local cloud does not know {name}")
            if task_id is None:
                check_token(metadata, self._world.token)
                call.token_ok = True
            await strike(
                self._world, name, stream, lambda: self._run(handler, request, call, stream, streams)
            )
        except RpcError as error:
            raise GRPCError(error.status, error.message, error.details) from None
        except (GRPCError, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.exception("%s failed", name)
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise GRPCError(
                Status.INTERNAL, f"The local cloud failed in {name} ({text}); its log has more"
            ) from None

    async def _run(
        self, handler: RpcHandler, request: Message, call: Call, stream: "Stream[Any, Any]", streams: bool
    ) -> None:
        if streams:
            produced = handler(request, call)
            assert inspect.isasyncgen(produced), (
                f"{call.method} streams: its handler has to be an async generator"
            )
            try:
                async for message in produced:
                    await stream.send_message(message)
            finally:
                await produced.aclose()
        else:
            await stream.send_message(await self._unary(handler, request, call))
        if call.warnings:
            warnings = [("x-modal-warning", quote(text)) for text in call.warnings]
            await stream.send_trailing_metadata(metadata=warnings)

    async def _unary(self, handler: RpcHandler, request: Message, call: Call) -> Message:
        async def work() -> Message:
            answer = handler(request, call)
            assert inspect.isawaitable(answer), f"{call.method}: its handler has to be a coroutine function"
            return await answer

        if not call.idempotency_key or call.method not in DEDUPLICATED:
            return await work()
        return await self._replay.once((call.task_id or "", call.method, call.idempotency_key), work)


async def serve(world: World, rooms: Iterable[Rpcs], bound: socket.socket | None = None) -> int:
    """Start answering, and say on which port of 127.0.0.1. `world.server` is what closes it."""
    if bound is None:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
    world.server = RpcServer(world, rooms)
    await world.server.listen(bound)
    return int(bound.getsockname()[1])


class GrpcServer(Server):
    """It also ends its connections, which grpclib leaves open: a client would wait on one for ever."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._connected: WeakSet[H2Protocol] = WeakSet()

    async def end(self) -> None:
        self.close()
        for handler in list(self._handlers):
            await handler.wait_closed()
        for protocol in list(self._connected):
            if hasattr(protocol, "connection"):
                protocol.connection.close()
        await self.wait_closed()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._connected.add(protocol)
        return protocol


class _Service:
    """Maps every method of the service, so that those without a handler are answered and logged as well."""

    def __init__(self, server: RpcServer, task_id: str | None) -> None:
        self._server = server
        self._task_id = task_id

    def __mapping__(self) -> dict[str, Handler]:
        methods = api_pb2.DESCRIPTOR.services_by_name[SERVICE.rpartition(".")[2]].methods
        return {f"/{SERVICE}/{method.name}": self._handler(method) for method in methods}

    def _handler(self, method: Any) -> Handler:
        streams = bool(method.server_streaming)

        async def answer(stream: "Stream[Any, Any]") -> None:
            await self._server.answer(method.name, streams, self._task_id, stream)

        return Handler(
            answer,
            Cardinality.UNARY_STREAM if streams else Cardinality.UNARY_UNARY,
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )


class _Details(StatusDetailsCodecBase):
    """What the client reads beside an error's text, in the form that it expects."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        answer = api_pb2.RPCStatus(code=status.value, message=message or "")
        for detail in details or ():
            answer.details.add().Pack(detail, type_url_prefix="type.modal.com/")
        return answer.SerializeToString()

    def decode(self, status: Status, message: str | None, data: bytes) -> Any:
        return api_pb2.RPCStatus.FromString(data)


def _call(name: str, metadata: Mapping[str, str], task_id: str | None) -> Call:
    kind = metadata.get("x-modal-client-type", "")
    return Call(
        method=name,
        client_type=CONTAINER if task_id else int(kind) if kind.isdigit() else 0,
        client_version=metadata.get("x-modal-client-version", ""),
        token_ok=task_id is not None,
        task_id=task_id,
        idempotency_key=metadata.get("x-idempotency-key", ""),
        metadata=metadata,
    )
