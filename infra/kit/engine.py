"""The way back to the engine: status lines and warnings, sent in order, never waited for by a resource."""

import asyncio
import contextlib
import os
import sys
from typing import Any

import grpc.aio  # type: ignore[import-untyped]

from infra.kit.protos import engine_pb2, engine_pb2_grpc

INFO, WARNING = 1, 2


class Engine:
    """Without an address (a test, a process run by hand) messages go nowhere, warnings to stderr."""

    def __init__(self) -> None:
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._queue: asyncio.Queue[Any] | None = None
        self._sender: asyncio.Task[None] | None = None
        self.address = ""

    def attach(self, address: str) -> None:
        if not address or address == self.address:
            return
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._stub = engine_pb2_grpc.EngineStub(self._channel)

    def status(self, urn: str, text: str) -> None:
        self._send(INFO, urn, text, ephemeral=True)

    def info(self, urn: str, text: str) -> None:
        self._send(INFO, urn, text)

    def warn(self, urn: str, text: str) -> None:
        if self._stub is None:
            print(text, file=sys.stderr)  # noqa: T201
        self._send(WARNING, urn, text)

    async def flush(self) -> None:
        """Until everything sent so far has reached the engine; bounded, because the engine may be gone."""
        if self._queue is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), 2.0)

    def _send(self, severity: int, urn: str, text: str, *, ephemeral: bool = False) -> None:
        if self._stub is None:
            return
        if self._queue is None:
            self._queue = asyncio.Queue()
            self._sender = asyncio.ensure_future(self._drain(self._queue))
        # A data function has a token and no URN. The engine's display panics at anything that is neither a URN nor empty.
        about = urn if urn.startswith("urn:") else ""
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=about, ephemeral=ephemeral)  # type: ignore[arg-type]
        self._queue.put_nowait(request)

    async def _drain(self, queue: "asyncio.Queue[Any]") -> None:
        while True:
            request = await queue.get()
            try:
                await self._stub.Log(request)
            except grpc.RpcError as error:
                if os.environ.get("PILOTLIGHT_DEBUG"):
                    print(f"engine log: {error}", file=sys.stderr)  # noqa: T201
            finally:
                queue.task_done()
