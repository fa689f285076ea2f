"""The real local RunPod control plane, the real provider behind gRPC, and a fleet that a test can steer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio  # type: ignore[import-untyped]
import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from infra.kit import Provider
from infra.kit.engine import Engine as EngineLink
from infra.kit.protos import provider_pb2_grpc
from infra.kit.serve import start
from infra.kit.servicer import Servicer
from infra.localcloud.core.faults import Fault, Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.graphql import graphql_routes
from infra.localcloud.runpod.model import PodRecord, PodStatus
from infra.localcloud.runpod.rest import RestService, problem_middleware, routes
from infra.runpod import __main__ as main
from infra.runpod.account import Account
from infra.runpod.client import RunPodClient
from infra.runpod.config import Config
from tests.localcloud.rest.fakes import FakeFleet, FakeImages, FakePods
from tests.runpod.engine import Clock, Engine

KEY = "local-canary-0123456789"
GPU: dict[str, Any] = {
    "name": "search",
    "image": "registry.pilotlight.internal/search@sha256:1",
    "gpu": {"pools": ["AMPERE_24"]},
    "env": {"MODE": "fast"},
}


class PodHost(FakePods):
    """A pod whose container has ended stays so until it gets another container."""

    async def apply(self, pod: PodRecord) -> None:
        before, view = self.records.get(pod.id), self.views.get(pod.id)
        ended = view is not None and view.status in (PodStatus.EXITED, PodStatus.ERROR)
        await super().apply(pod)
        if view and before and ended and before.running and pod.running and before.version == pod.version:
            self.views[pod.id] = view

    async def restart(self, pod_id: str) -> None:
        self.views.pop(pod_id)
        await super().restart(pod_id)


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
    clock: Clock
    settings: Settings
    fleet: FakeFleet
    pods: PodHost
    images: FakeImages
    faults: Faults
    store: Store
    service: RestService
    url: str
    key: str = KEY
    graphql: bool = True
    requests: list[str] = field(default_factory=list)
    link: Link = field(default_factory=Link)
    engine: Engine = field(init=False)
    stored: dict[str, Any] = field(default_factory=dict)
    _open: list[Any] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, tmp_path: Path) -> AsyncIterator["World"]:
        clock, settings, store = Clock(), Settings(rate_limit=False), Store(tmp_path / "cloud.db")
        fleet, pods, images, faults = FakeFleet(), PodHost(), FakeImages(), Faults(clock)
        requests: list[str] = []

        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            if "X-Test" not in request.headers:
                requests.append(f"{request.method} {request.path}")
            return await handler(request)

        port = unused_port()
        url = f"http://127.0.0.1:{port}"
        service = RestService(store, fleet, clock, settings, KEY, url, images, faults=faults, pods=pods)
        app = web.Application(middlewares=[note, faults.middleware(), problem_middleware])
        app.add_routes([*routes(service), *graphql_routes(service)])
        async with TestServer(app, port=port):
            world = cls(
                tmp_path, clock, settings, fleet, pods, images, faults, store, service, url, requests=requests
            )
            await world.start_provider()
            try:
                yield world
            finally:
                await world.stop_provider()
                service.close()
        store.close()

    async def start_provider(self) -> Engine:
        """A provider process: new client, new session; the state of the engine before it is kept."""

        async def connect(config: Config, ctx: Any) -> Account:
            client = RunPodClient(self.key, self.url, monotonic=self.clock.monotonic, jitter=lambda: 0.5)
            return Account(client, graphql=self.graphql)

        provider: Provider[Account] = Provider(
            name=main.NAME,
            version=main.VERSION,
            config=Config,
            resources=main.provider.resources,
            invokes=main.provider.invokes,
            connect=connect,
        )
        servicer = Servicer(provider, engine=self.link, clock=self.clock, root=self.root)
        server, port = await start(servicer)
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        state = self.engine.state if hasattr(self, "engine") else {}
        self.engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
        self.engine.state = state
        self.stored = await self.engine.configure(self.stored)
        self._open = [channel, server]
        return self.engine

    async def stop_provider(self) -> None:
        channel, server = self._open
        await channel.close()
        await server.stop(None)

    async def restart(self) -> Engine:
        await self.stop_provider()
        return await self.start_provider()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """As another client of RunPod: someone at the console."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            headers = {"Authorization": f"Bearer {KEY}", "X-Test": "1"}
            content = None if body is None else json.dumps(body)
            answer = await client.request(method, path, content=content, headers=headers)
            assert answer.status_code < 400, answer.text
            return answer.json() if answer.content else None

    async def graph(self, query: str, **variables: Any) -> Any:
        """As another client of RunPod's GraphQL API."""
        answer = await self.call("POST", "/graphql", {"query": query, "variables": variables})
        assert not answer.get("errors"), answer
        return answer["data"]

    async def secrets(self) -> list[dict[str, Any]]:
        answer = await self.graph("query { myself { secrets { id name description } } }")
        return list(answer["myself"]["secrets"])

    async def all(self, collection: str) -> list[dict[str, Any]]:
        """What a listing of REST v2 holds, such as `pods` or `network-volumes`."""
        answer = await self.call("GET", f"/v2/{collection}")
        return list(next(iter(answer.values())))

    async def endpoints(self) -> list[dict[str, Any]]:
        return list((await self.call("GET", "/v2/serverless"))["endpoints"])

    def strike(self, **faults: dict[str, Any]) -> None:
        self.faults.replace({name: Fault.model_validate(fault) for name, fault in faults.items()})
