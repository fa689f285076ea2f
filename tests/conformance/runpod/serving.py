"""A control plane on a port of its own, in a thread, for clients that block."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.graphql import graphql_routes
from infra.localcloud.runpod.rest import RestService, problem_middleware, routes
from tests.localcloud.rest.fakes import KEY, FakeFleet, FakeImages, FakePods, FakeVolumes

T = TypeVar("T")


@dataclass
class Served:
    url: str
    key: str
    service: RestService
    pods: FakePods
    fleet: FakeFleet
    loop: asyncio.AbstractEventLoop

    def do(self, work: Callable[[RestService], T]) -> T:
        """In the thread that the store belongs to."""

        async def there() -> T:
            return work(self.service)

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(10)

    @property
    def environment(self) -> dict[str, str]:
        """What points RunPod's clients here, and none of them anywhere else."""
        return {
            "RUNPOD_API_KEY": self.key,
            "RUNPOD_API_BASE_URL": self.url,
            "RUNPOD_ENDPOINT_BASE_URL": f"{self.url}/v2",
            "RUNPOD_REST_API_URL": f"{self.url}/v1",
            "RUNPOD_HAPI_URL": f"{self.url}/hapi",
            "RUNPOD_CONSOLE_URL": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


@contextmanager
def served(folder: Path, settings: Settings | None = None) -> Iterator[Served]:
    """Pods run as soon as they are wanted; images are all there. Limits are off unless the settings say so."""
    ready: threading.Event = threading.Event()
    found: list[Served] = []
    failure: list[BaseException] = []
    stop: list[asyncio.Event] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        stop.append(asyncio.Event())
        store = Store(folder / "cloud.db")
        clock, fleet, pods = RealClock(), FakeFleet(), FakePods()
        used = settings or Settings(rate_limit=False)
        app_faults = Faults(clock)
        service = RestService(
            *(store, fleet, clock, used, KEY, "", FakeImages()),
            faults=app_faults,
            volumes=FakeVolumes(),
            pods=pods,
        )
        app = web.Application(middlewares=[app_faults.middleware(), problem_middleware])
        app.add_routes(routes(service))
        app.add_routes(graphql_routes(service))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        service.base_url = f"http://127.0.0.1:{port}"
        found.append(Served(service.base_url, KEY, service, pods, fleet, loop))
        ready.set()
        await stop[0].wait()
        service.close()
        await runner.cleanup()
        store.close()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            failure.append(error)
            ready.set()
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="local RunPod")
    thread.start()
    try:
        assert ready.wait(20)
        if failure:
            raise failure[0]
        yield found[0]
    finally:
        if stop and not loop.is_closed():
            loop.call_soon_threadsafe(stop[0].set)
        thread.join(20)
