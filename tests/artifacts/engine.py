"""The engine's side of this provider, over gRPC, with a client of the test's own."""

import asyncio
import copy
import hashlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from infra.artifacts.__main__ import provider
from infra.artifacts.client import Client
from infra.kit.engine import Engine
from infra.kit.protos import engine_pb2_grpc, provider_pb2, provider_pb2_grpc
from infra.kit.serve import start
from infra.kit.servicer import Servicer
from infra.kit.wire import Tree, decode, encode
from tests.kit.driver import Driver, FakeEngine

INSTANCE = "aaaaaaaa"


def urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:dev::shop::pilotlight-artifacts:index:{kind}::{name}"


@dataclass
class Entry:
    """What the engine's state holds of a resource."""

    urn: str
    id: str = ""
    inputs: Tree = field(default_factory=dict)
    outputs: Tree = field(default_factory=dict)
    failed: str = ""


class Run:
    """One run of the engine: `up` does what `pulumi up` does with one resource."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def told(self) -> list[str]:
        """What the engine was told so far: status lines and warnings."""
        queue = self.driver.servicer.engine._queue
        if queue is not None:
            await queue.join()
        return [text for _, text, _ in self.driver.engine.lines]

    async def failures(self, urn: str, given: Tree) -> dict[str, list[str]]:
        response = await self.driver.check_raw(given, {}, urn)
        found: dict[str, list[str]] = {}
        for failure in response.failures:
            found.setdefault(failure.property, []).append(failure.reason)
        return found

    async def up(self, entry: Entry, given: Tree, *, replace: bool = False) -> str:
        """Check, Diff, then the call that follows: returns same, create, update or replace."""
        if not entry.id:
            inputs = await self._checked(entry, given, {})
            await self._create(entry, inputs)
            return "create"
        inputs = await self._checked(entry, given, entry.inputs)
        answer = await self.driver.diff(entry.id, entry.inputs, inputs, entry.urn)
        if answer.replaces or replace:
            old = Entry(entry.urn, entry.id, entry.inputs, entry.outputs)
            await self._create(entry, await self._checked(entry, given, {}))
            await self.destroy(old)
            return "replace"
        if not answer.diffs and not entry.failed:
            return "same"
        entry.outputs = await self.driver.update(entry.id, entry.outputs, entry.inputs, inputs, entry.urn)
        entry.inputs, entry.failed = inputs, ""
        return "update"

    async def refresh(self, entry: Entry) -> bool:
        """Whether it is still there; the entry takes what the cloud has."""
        answer = await self.driver.read(entry.id, entry.outputs, entry.inputs, entry.urn)
        entry.id = answer.id
        entry.inputs, entry.outputs = decode(answer.inputs), decode(answer.properties)
        return bool(answer.id)

    async def destroy(self, entry: Entry) -> None:
        await self.driver.delete(entry.id, entry.outputs, entry.inputs, entry.urn)

    async def _checked(self, entry: Entry, given: Tree, olds: Tree) -> Tree:
        seed = hashlib.sha256(repr(asyncio.get_running_loop().time()).encode()).digest()
        return await self.driver.check(given, olds, entry.urn, randomSeed=seed)

    async def _create(self, entry: Entry, inputs: Tree) -> None:
        try:
            entry.id, entry.outputs = await self.driver.create(inputs, entry.urn)
        except grpc.aio.AioRpcError as error:
            saved = _init_failed(error)
            if saved is not None:
                entry.id, entry.outputs = saved.id, decode(saved.properties)
                entry.inputs, entry.failed = inputs, "; ".join(saved.reasons)
            raise
        entry.inputs, entry.failed = inputs, ""


@asynccontextmanager
async def engine(client: Client, root: Path, *, instance: str = INSTANCE) -> AsyncIterator[Run]:
    """A provider process of its own. Leaving it is a kill."""

    async def connect(config: Any, ctx: Any) -> Client:
        client.store = client.store.sleeping(client.sleep)
        return client

    made = copy.copy(provider)
    made.connect = connect
    log = FakeEngine()
    log_server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(log, log_server)
    log_port = log_server.add_insecure_port("127.0.0.1:0")
    await log_server.start()
    servicer = Servicer(made, engine=Engine(), root=root, clock=Instant())
    server, port = await start(servicer)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    stub = provider_pb2_grpc.ResourceProviderStub(channel)
    try:
        await stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=f"127.0.0.1:{log_port}"))
        await stub.Configure(
            provider_pb2.ConfigureRequest(args=encode({"__instance": instance}), acceptSecrets=True)
        )
        yield Run(Driver(stub, servicer, log))
    finally:
        await channel.close()
        await server.stop(None)
        await log_server.stop(None)
        for registry in client._registries.values():
            await registry.close()


class Instant:
    """A clock whose waits are over at once."""

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        return None


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 120))


def _init_failed(error: grpc.aio.AioRpcError) -> Any:
    from infra.kit.protos import status_pb2

    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            saved = provider_pb2.ErrorResourceInitFailed()
            if status.details and status.details[0].Unpack(saved):
                return saved
    return None
