"""The real local Modal, the real provider behind gRPC with Modal's official client, and a fleet that runs nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio  # type: ignore[import-untyped]

from infra.kit import Provider
from infra.kit.engine import Engine as EngineLink
from infra.kit.protos import provider_pb2_grpc
from infra.kit.serve import start
from infra.kit.servicer import Servicer
from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.faults import Fault, Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal import apps, data, images, rpc
from infra.localcloud.modal.world import Token, Urls
from infra.localcloud.modal.world import World as LocalModal
from infra.modal.__main__ import provider as declared
from infra.modal.client import Access, ModalClient
from infra.modal.config import Config
from tests.localcloud.modal.conftest import FakeFleet
from tests.modal.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
TOKEN = Token("ak-test", "as-canary-0123456789")

HANDLER = """
class Model:
    def load(self, weights):
        self.word = "hello"

    def predict(self, request):
        return {"said": self.word, "to": request["name"]}
"""

PIPELINE = """
def embed(text):
    return len(text)

async def rank(rows):
    return sorted(rows)

def words(text):
    yield from text.split()

def pairs(left, right):
    return [a + b for a, b in zip(left, right)]

def nightly():
    return "done"

def api():
    raise NotImplementedError

def lookup(key: str):
    return {"key": key}
"""

SEARCH: dict[str, Any] = {"name": "search", "source": "search", "classes": {"Search": {"web": {}}}}


class Link(EngineLink):
    """The way back to the engine, remembered instead of sent."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.warned: list[str] = []

    def status(self, urn: str, text: str) -> None:
        self.said.append(text)

    def warn(self, urn: str, text: str) -> None:
        self.warned.append(text)


@dataclass
class World:
    root: Path
    modal: LocalModal
    fleet: FakeFleet
    faults: Faults
    url: str
    token: Token = TOKEN
    calls: list[str] = field(default_factory=list)
    link: Link = field(default_factory=Link)
    engine: Engine = field(init=False)
    client: ModalClient = field(init=False)
    stored: dict[str, Any] = field(default_factory=dict)
    environment: str | None = None
    _open: list[Any] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, tmp_path: Path) -> AsyncIterator["World"]:
        root = project(tmp_path)
        clock, store = RealClock(), Store(tmp_path / "state.sqlite")
        faults = Faults(clock)
        local = LocalModal(
            store,
            clock,
            Settings(),
            faults,
            None,
            tmp_path,
            Urls("", "http://127.0.0.1:1", ""),
            TOKEN,  # type: ignore[arg-type]
        )
        local.fleet = fleet = FakeFleet()
        local.secrets = apps.SecretStore(local)
        local.mounts = apps.ContentStore(local)
        noted = ROOT / ".pilotlight" / "toolchain.json"
        tools = images.Tools.of(json.loads(noted.read_text()) if noted.exists() else {})
        local.images = built = images.ImageStore(local, tools)
        calls: list[str] = []
        rooms = [
            _noting(room, calls) for room in (apps.rpcs(local), images.rpcs(local, built), data.rpcs(local))
        ]
        port = await rpc.serve(local, rooms)
        world = cls(root, local, fleet, faults, f"http://127.0.0.1:{port}", calls=calls)
        try:
            await world.start_provider()
            yield world
        finally:
            await world.stop_provider()
            await local.server.close()
            await built.close()
            store.close()

    @classmethod
    @asynccontextmanager
    async def beside(cls, root: Path, modal: LocalModal, url: str, token: Token) -> AsyncIterator["World"]:
        """A provider for a local Modal that runs already, with containers."""
        world = cls(root, modal, FakeFleet(), modal.faults, url, token)
        try:
            await world.start_provider()
            yield world
        finally:
            await world.stop_provider()

    async def start_provider(self) -> Engine:
        """A provider process: new client, new session; the state of the engine before it is kept."""

        async def connect(config: Config, ctx: Any) -> ModalClient:
            access = Access(self.url, self.token.id, self.token.secret, "the test")
            self.client = ModalClient(
                access, environment=config.environment or self.environment, root=self.root
            )
            return self.client

        provider: Provider[ModalClient] = Provider(
            name=declared.name,
            version=declared.version,
            config=Config,
            resources=declared.resources,
            connect=connect,
        )
        servicer = Servicer(provider, engine=self.link, root=self.root)
        server, port = await start(servicer)
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        state = self.engine.state if hasattr(self, "engine") else {}
        self.engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
        self.engine.state = state
        self.stored = await self.engine.configure(self.stored)
        self._open = [channel, server]
        return self.engine

    async def stop_provider(self) -> None:
        if hasattr(self, "client"):
            await self.client.close()
        if self._open:
            channel, server = self._open
            await channel.close()
            await server.stop(None)

    async def restart(self) -> Engine:
        await self.stop_provider()
        return await self.start_provider()

    async def client_ready(self) -> None:
        """A client of its own, for a test that needs one before the provider does."""
        if not hasattr(self, "client"):
            access = Access(self.url, self.token.id, self.token.secret, "the test")
            self.client = await ModalClient(access, environment=None, root=self.root).open()

    def app(self, name: str) -> Any:
        """The record of the app that runs under a name."""
        return next((app for app in self.modal.apps.values() if app.name == name and app.running), None)

    def function(self, app: str, tag: str) -> Any:
        return self.modal.function(self.app(app).function_ids[tag])

    def versions(self, name: str) -> int:
        return int(self.app(name).version)

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def strike(self, **faults: dict[str, Any]) -> None:
        self.faults.replace({name: Fault.model_validate(fault) for name, fault in faults.items()})


def project(tmp_path: Path) -> Path:
    """A Pulumi project with a handler and functions in `search/`."""
    root = tmp_path / "project"
    (root / "search").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (root / "search" / "model.py").write_text(HANDLER)
    (root / "search" / "pipeline.py").write_text(PIPELINE)
    return root


def _noting(room: rpc.Rpcs, calls: list[str]) -> rpc.Rpcs:
    def noted(name: str, handler: Any) -> Any:
        def call(request: Any, call_: Any) -> Any:
            calls.append(name)
            return handler(request, call_)

        return call

    return {name: noted(name, handler) for name, handler in room.items()}
