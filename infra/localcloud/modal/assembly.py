"""Puts local Modal together: which room gets what."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Middleware

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store

from . import accounts, apps, calls, containers, data, images, rpc
from . import web as front
from .images.store import Registry
from .model import FunctionRecord
from .schedules.runner import Schedules
from .world import Token, Urls, World

BODY_LIMIT = 4 << 30  # bytes; as the real web endpoints take


class LocalModal:
    """Make it in the running event loop; nothing runs before `open`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        faults: Faults,
        meter: SqlMeter,
        state_dir: Path,
        urls: Urls,
        token: Token,
        *,
        tools: Mapping[str, str],
        registry: Registry | None = None,
        boot_delay: Callable[[FunctionRecord], float] | None = None,
        offered_env: Mapping[str, str] | None = None,
    ) -> None:
        """`tools` is what set-up noted (`uv`, `wheelhouse`); `offered_env` as in `World`."""
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.world = world = World(store, clock, settings, faults, meter, state_dir, urls, token, offered_env)
        world.secrets, world.mounts = apps.SecretStore(world), apps.ContentStore(world)
        world.images = self.images = images.ImageStore(world, images.Tools.of(tools), registry)
        world.blobs = self._blobs = calls.BlobStore(world)
        self._data = data.DataRoom(world)
        world.fleet = self.fleet = containers.LocalFleet(world, boot_delay=boot_delay)
        self.schedules = Schedules(world)
        self._work: list[asyncio.Task[None]] = []

    async def open(self, grpc: socket.socket) -> None:
        """Answer on a bound socket, and take up what was deployed before."""
        world = self.world
        rooms = [
            apps.rpcs(world),
            images.rpcs(world, self.images),
            calls.rpcs(world),
            containers.rpcs(world),
            self._data.rpcs(),
            accounts.rpcs(world),
            front.rpcs(world),
        ]
        await rpc.serve(world, rooms, grpc)
        self.fleet.open()
        self.schedules.open()
        self._work = [asyncio.ensure_future(apps.reap(world)), asyncio.ensure_future(self._data.reap())]

    def site(self) -> web.Application:
        """Web endpoints, blobs and the blocks of volumes."""
        by_host = cast(Middleware, front.by_host(self.world))
        app = web.Application(middlewares=[by_host], client_max_size=BODY_LIMIT)
        app.add_routes(calls.blob_routes(self.world, self._blobs))
        app.add_routes(self._data.routes())
        app.add_routes(front.routes(self.world))
        return app

    async def close(self) -> None:
        """Containers first, while they can still reach us."""
        for task in self._work:
            task.cancel()
        self.world.close()
        await self.fleet.close()
        await self.images.close()
        if self._work:
            await self.world.server.close()
