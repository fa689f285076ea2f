"""Local Modal as the daemon puts it together, on ports of its own; the official client and CLI run as processes."""

import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal.assembly import LocalModal
from infra.localcloud.modal.rpc import Call
from infra.localcloud.modal.world import Urls
from tests.localcloud.modal.running import TOKEN, RunningModal, meter

ROOT = Path(__file__).resolve().parents[3]


class WholeModal(RunningModal):
    """With real volumes and images."""

    async def _start(self) -> None:
        clock = RealClock()
        self.store = Store(self.state / "state.sqlite")
        grpc, site = self._ports
        self.port, web_port = grpc.getsockname()[1], site.getsockname()[1]
        urls = Urls(f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{web_port}", "http://127.0.0.1:2")
        noted = ROOT / ".pilotlight" / "toolchain.json"
        tools = json.loads(noted.read_text()) if noted.exists() else {}
        self.local = LocalModal(
            self.store,
            clock,
            Settings(),
            Faults(clock),
            meter(self.store, clock),
            self.state / "modal",
            urls,
            TOKEN,
            tools=tools,
        )
        self.world, self.fleet = self.local.world, self.local.fleet
        self.volumes = self.local._data.volumes.volumes
        self.world.meter.watch(self.fleet.usage)
        await self.local.open(grpc)
        self._runner = web.AppRunner(self.local.site())
        await self._runner.setup()
        await web.SockSite(self._runner, site).start()

    async def _stop(self) -> None:
        await self.local.close()
        await self._runner.cleanup()
        self.store.close()

    def modal(self, *words: str, ok: bool = True, **more: str) -> str:
        """The official CLI; what it prints."""
        return self.process([sys.executable, "-m", "modal", *words], ok=ok, **more)

    def tell(self, method: str, request: Any) -> Any:
        """One RPC, as a client's."""
        call = Call(method, 1, "1.6.4", True, None, "", {})
        return self.run(lambda: self.world.server._handlers[method](request, call))

    def modal_json(self, *words: str) -> Any:
        said = self.modal(*words, "--json")
        return json.loads(said[said.index("[") :])
