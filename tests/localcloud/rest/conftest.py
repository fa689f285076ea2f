"""A control plane over real HTTP, on a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.graphql import graphql_routes
from infra.localcloud.runpod.rest import RestService, problem_middleware, routes
from tests.localcloud.rest.fakes import KEY, Cloud, FakeFleet, FakeImages, FakePods, FakeVolumes, WatchedClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def cloud(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Cloud]:
    clock, settings, store = WatchedClock(), Settings(), Store(tmp_path / "cloud.db")
    fleet, images, disks, pods = FakeFleet(), FakeImages(), FakeVolumes(), FakePods()
    faults = Faults(clock)
    service = RestService(
        *(store, fleet, clock, settings, KEY, "http://127.0.0.1:1", images),
        faults=faults,
        volumes=disks,
        pods=pods,
    )
    app = web.Application(middlewares=[faults.middleware(), problem_middleware])
    app.add_routes(routes(service))
    app.add_routes(graphql_routes(service))
    async with TestClient(TestServer(app)) as client:
        yield Cloud(clock, settings, store, fleet, images, disks, pods, service, client)
        service.close()
    store.close()
