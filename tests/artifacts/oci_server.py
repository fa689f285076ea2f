"""The local cloud's registry for the tests, which may go down in the middle of a push."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from infra.artifacts.client import LOCAL_ALIAS, LOCAL_USER, RegistrySettings
from infra.artifacts.oci.auth import Login
from infra.artifacts.oci.registry import Registry as RegistryClient
from infra.localcloud.storage.registry import Registry, registry_app
from tests.artifacts.servers import no_wait

PASSWORD = "registry-password"


class OciServer:
    """A registry in the test's own event loop. Below `root` is what it keeps; it survives `down` and `up`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = 0
        self.requests: list[str] = []
        self.before: Callable[[web.Request], Awaitable[None]] | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def up(self) -> None:
        @web.middleware
        async def watch(request: web.Request, handler: Any) -> Any:
            self.requests.append(f"{request.method} {request.path}")
            if self.before is not None:
                await self.before(request)
            return await handler(request)

        app = registry_app(Registry(self.root, PASSWORD), [watch])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def settings(self, password: str = PASSWORD) -> RegistrySettings:
        return RegistrySettings(LOCAL_ALIAS, self.url, Login(LOCAL_USER, password), local=True)

    def client(self, *, chunk: int = 1 << 20, password: str = PASSWORD) -> RegistryClient:
        login = Login(LOCAL_USER, password)
        return RegistryClient(self.url, LOCAL_ALIAS, login, local=True, sleep=no_wait, chunk=chunk)

    def count(self, prefix: str) -> int:
        return sum(request.startswith(prefix) for request in self.requests)
