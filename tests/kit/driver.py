"""A servicer spoken to over gRPC as the engine does it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf import empty_pb2

from infra.kit.engine import Engine
from infra.kit.journal import Journal, Line
from infra.kit.mark import urn_hash
from infra.kit.protos import engine_pb2_grpc, provider_pb2, provider_pb2_grpc
from infra.kit.serve import start
from infra.kit.servicer import Servicer
from infra.kit.wire import Tree, decode, encode
from infra.spec.findings import Gate
from tests.kit.toy import INSTANCE, URN, Cloud, toy


class FakeEngine(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.lines: list[tuple[int, str, bool]] = []

    async def Log(self, request: Any, context: Any) -> Any:
        self.lines.append((request.severity, request.message, request.ephemeral))
        return empty_pb2.Empty()


class Driver:
    """The engine's side of the wire: trees in, trees out."""

    def __init__(self, stub: Any, servicer: Servicer, engine: FakeEngine) -> None:
        self.stub = stub
        self.servicer = servicer
        self.engine = engine

    async def configure(self, instance: str, **config: Any) -> None:
        await self.stub.Configure(
            provider_pb2.ConfigureRequest(args=encode({"__instance": instance, **config}), acceptSecrets=True)
        )

    async def check(self, news: Tree, olds: Tree | None = None, urn: str = URN, **more: Any) -> Tree:
        response = await self.check_raw(news, olds, urn, **more)
        assert not response.failures, response.failures
        return decode(response.inputs)

    async def check_raw(self, news: Tree, olds: Tree | None = None, urn: str = URN, **more: Any) -> Any:
        more.setdefault("randomSeed", os.urandom(32))
        return await self.stub.Check(
            provider_pb2.CheckRequest(urn=urn, news=encode(news), olds=encode(olds or {}), **more)
        )

    async def failures(self, news: Tree, olds: Tree | None = None, urn: str = URN) -> dict[str, str]:
        response = await self.check_raw(news, olds, urn)
        return {failure.property: failure.reason for failure in response.failures}

    async def diff(self, id: str, olds: Tree, news: Tree, urn: str = URN, **more: Any) -> Any:
        return await self.stub.Diff(
            provider_pb2.DiffRequest(id=id, urn=urn, old_inputs=encode(olds), news=encode(news), **more)
        )

    async def create(self, inputs: Tree, urn: str = URN, **more: Any) -> tuple[str, Tree]:
        response = await self.stub.Create(
            provider_pb2.CreateRequest(urn=urn, properties=encode(inputs), **more)
        )
        return response.id, decode(response.properties)

    async def update(
        self, id: str, outputs: Tree, olds: Tree, news: Tree, urn: str = URN, **more: Any
    ) -> Tree:
        response = await self.stub.Update(
            provider_pb2.UpdateRequest(
                id=id, urn=urn, olds=encode(outputs), old_inputs=encode(olds), news=encode(news), **more
            )
        )
        return decode(response.properties)

    async def read(
        self, id: str, outputs: Tree | None = None, inputs: Tree | None = None, urn: str = URN
    ) -> Any:
        return await self.stub.Read(
            provider_pb2.ReadRequest(
                id=id, urn=urn, properties=encode(outputs or {}), inputs=encode(inputs or {})
            )
        )

    async def delete(self, id: str, outputs: Tree, inputs: Tree, urn: str = URN, **more: Any) -> None:
        await self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=id, urn=urn, properties=encode(outputs), old_inputs=encode(inputs), **more
            )
        )

    async def cancel(self) -> None:
        await self.stub.Cancel(empty_pb2.Empty())


@asynccontextmanager
async def driven(
    cloud: Cloud,
    root: Path | None = None,
    *,
    gate: Gate | None = None,
    instance: str = INSTANCE,
    **config: Any,
) -> AsyncIterator[Driver]:
    """A provider process of its own: a fresh servicer, handshaken and configured. Leaving it is a kill, not a Cancel."""
    engine = FakeEngine()
    engine_server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, engine_server)
    engine_port = engine_server.add_insecure_port("127.0.0.1:0")
    await engine_server.start()
    servicer = Servicer(toy(cloud, gate=gate), engine=Engine(), root=root)
    server, port = await start(servicer)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    stub = provider_pb2_grpc.ResourceProviderStub(channel)
    try:
        await stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=f"127.0.0.1:{engine_port}"))
        driver = Driver(stub, servicer, engine)
        await driver.configure(instance, **config)
        yield driver
    finally:
        await channel.close()
        await server.stop(None)
        await engine_server.stop(None)


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 30))


def journal_lines(root: Path, instance: str = INSTANCE) -> list[Line]:
    """What the journal knows now, read as a new process reads it."""
    journal = Journal(root / ".pilotlight" / "journal", instance)
    return journal.lines(urn_hash(URN))


async def killed_in_create(
    cloud: Cloud,
    root: Path | None,
    inputs_of: Callable[[Driver], Awaitable[Tree]],
    point: str = "before_ready",
) -> None:
    """A provider process that dies while the cloud works: nothing of its create reaches the engine."""
    reached = asyncio.Event()

    async def hang(ctx: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    setattr(cloud, point, hang)
    async with driven(cloud, root) as engine:
        create = asyncio.ensure_future(engine.create(await inputs_of(engine)))
        await reached.wait()
        create.cancel()
        with suppress(asyncio.CancelledError):
            await create
    setattr(cloud, point, None)


async def up(cloud: Cloud, root: Path | None, program: Tree) -> tuple[str, Tree, Tree]:
    """A whole first run that ends in order: id, inputs, outputs as the engine saves them."""
    async with driven(cloud, root) as engine:
        inputs = await engine.check(program)
        id, outputs = await engine.create(inputs)
        await engine.cancel()
    return id, inputs, outputs
