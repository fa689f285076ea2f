"""A local RunPod control plane in a thread of the test, for clients that are processes of their own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import unused_port

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.graphql import graphql_routes
from infra.localcloud.runpod.rest import RestService, problem_middleware, routes
from tests.localcloud.rest.fakes import FakeFleet, FakeImages
from tests.runpod.world import KEY, PodHost


class RunningRunPod:
    """`after`: called in the server's thread with "POST /v2/pods" and such, once it is done and before it is answered."""

    def __init__(self, directory: Path) -> None:
        self.port = unused_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[str] = []
        self.after: Callable[[str], Awaitable[None]] = _nothing
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait(30)

    def all(self, collection: str) -> list[dict[str, Any]]:
        """Rows of `pods`, `templates`, `volumes`, `registries`, `secrets` or `endpoints`."""

        async def read() -> list[dict[str, Any]]:
            if collection == "endpoints":
                return self._store.endpoints()
            if collection == "secrets":
                return self.service.secrets.all()
            return list(getattr(self.service, collection).rows.all())

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self) -> None:
        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            answer: web.StreamResponse = await handler(request)
            line = f"{request.method} {request.path}"
            if request.path == "/graphql":
                line += f" {(await request.text())[:100]}"
            self.requests.append(line)
            await self.after(line)
            return answer

        self._stop = asyncio.Event()
        self._store = Store(self._directory / "cloud.db")
        self.service = RestService(
            self._store,
            FakeFleet(),
            RealClock(),
            Settings(rate_limit=False),
            KEY,
            self.url,
            FakeImages(),
            pods=PodHost(),
        )
        app = web.Application(middlewares=[note, problem_middleware])
        app.add_routes([*routes(self.service), *graphql_routes(self.service)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._ready.set()
        await self._stop.wait()
        self.service.close()
        await runner.cleanup()
        self._store.close()


async def _nothing(request: str) -> None:
    pass
