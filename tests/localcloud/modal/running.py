"""A local Modal with real containers, in a thread of the test, and official clients as processes of their own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from infra.localcloud.core.clock import Clock, RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.meter import SqlMeter
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal import apps, calls, containers, rpc
from infra.localcloud.modal import web as front
from infra.localcloud.modal.containers.metering import with_modal
from infra.localcloud.modal.containers.start import ProcessStarter
from infra.localcloud.modal.model import Runtime
from infra.localcloud.modal.world import Token, Urls, World

T = TypeVar("T")
TOKEN = Token("ak-test", "as-test")
PATIENCE_S = 60.0  # for what must come, on a busy machine

PRELUDE = """
import modal
image = modal.Image.debian_slim("3.11")
app = modal.App("NAME", image=image)
"""


class OneImage:
    """Every image is this test's own environment: the official client and what comes with it."""

    def __init__(self) -> None:
        self.env: dict[str, str] = {"FLAVOR": "vanilla"}

    def interpreter(self, image_id: str) -> Runtime:
        return Runtime(python=Path(sys.executable), env=self.env, workdir="")

    def rpcs(self) -> rpc.Rpcs:
        from modal_proto import api_pb2

        async def get_or_create(request: Any, call: rpc.Call) -> api_pb2.ImageGetOrCreateResponse:
            answer = api_pb2.ImageGetOrCreateResponse(image_id="im-one")
            answer.result.status = api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
            answer.metadata.image_builder_version = "2025.06"
            return answer

        return {"ImageGetOrCreate": get_or_create}


class Folders:
    """Volumes as plain folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits: list[str] = []

    def directory(self, volume_id: str) -> Path:
        folder = self.root / volume_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, volume_id: str) -> None:
        self.commits.append(volume_id)

    def name(self, volume_id: str) -> str:
        return volume_id

    def rpcs(self) -> rpc.Rpcs:
        from google.protobuf.empty_pb2 import Empty
        from modal_proto import api_pb2

        async def get_or_create(request: Any, call: rpc.Call) -> api_pb2.VolumeGetOrCreateResponse:
            metadata = api_pb2.VolumeMetadata(
                name=request.deployment_name, version=api_pb2.VOLUME_FS_VERSION_V2
            )
            return api_pb2.VolumeGetOrCreateResponse(
                volume_id=f"vo-{request.deployment_name}", version=metadata.version, metadata=metadata
            )

        async def commit(request: Any, call: rpc.Call) -> api_pb2.VolumeCommitResponse:
            self.commit(request.volume_id)
            return api_pb2.VolumeCommitResponse(skip_reload=True)

        async def reload(request: Any, call: rpc.Call) -> Empty:
            return Empty()

        return {"VolumeGetOrCreate": get_or_create, "VolumeCommit": commit, "VolumeReload": reload}


class RunningModal:
    """The whole of it on ports of its own. `restart` reads everything anew from the disk."""

    def __init__(self, state: Path, *, namespaces: bool | None = None) -> None:
        self.state, self.namespaces = state, namespaces
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ports = [_bound(), _bound()]
        self._numbers = [bound.getsockname()[1] for bound in self._ports]
        self.start()

    def start(self) -> None:
        self.run(self._start)

    def restart(self) -> None:
        self.run(self._stop)
        self._ports = [_bound(number) for number in self._numbers]
        self.start()

    def close(self) -> None:
        self.run(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(120)

    def ask(self, question: Callable[[], T]) -> T:
        """In the server's own thread."""

        async def answer() -> T:
            return question()

        return self.run(answer)

    async def _start(self) -> None:
        clock = RealClock()
        self.store = Store(self.state / "state.sqlite")
        grpc, site = self._ports
        self.port, web_port = grpc.getsockname()[1], site.getsockname()[1]
        urls = Urls(f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{web_port}", "http://127.0.0.1:2")
        faults = Faults(clock)
        self.world = world = World(
            self.store, clock, Settings(), faults, meter(self.store, clock), self.state, urls, TOKEN
        )
        self.images, self.volumes = OneImage(), Folders(self.state / "volumes")
        world.images, world.volumes = self.images, self.volumes
        world.secrets, world.mounts = apps.SecretStore(world), apps.ContentStore(world)
        world.blobs = blobs = calls.BlobStore(world)
        self.fleet = containers.LocalFleet(world)
        starter = self.fleet.platform.starter
        assert isinstance(starter, ProcessStarter)
        starter._namespaces = self.namespaces
        world.fleet = self.fleet
        rooms = [apps.rpcs(world), calls.rpcs(world), containers.rpcs(world), front.rpcs(world)]
        await rpc.serve(world, [*rooms, self.images.rpcs(), self.volumes.rpcs()], grpc)
        app = web.Application(middlewares=[front.by_host(world)])
        app.add_routes(calls.blob_routes(world, blobs))
        app.add_routes(front.routes(world))
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.SockSite(self._runner, site).start()
        self.fleet.open()

    async def _stop(self) -> None:
        await self.fleet.close()
        await self._runner.cleanup()
        await self.world.server.close()
        self.store.close()

    def environment(self, **more: str) -> dict[str, str]:
        """Of a client process: what points it here, and no trace of the developer's own."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.state / "home"),
            "COLUMNS": "200",
            "MODAL_SERVER_URL": f"http://127.0.0.1:{self.port}",
            "MODAL_TOKEN_ID": TOKEN.id,
            "MODAL_TOKEN_SECRET": TOKEN.secret,
            "MODAL_CONFIG_PATH": str(self.state / "modal.toml"),
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    def deploy(self, source: str, name: str = "shop") -> None:
        """An app of this name; in its `source`, `app` and `image` are there."""
        code = self.state / "code" / f"{name}.py"
        code.parent.mkdir(exist_ok=True)
        code.write_text(PRELUDE.replace("NAME", name) + source)
        self.process([sys.executable, "-m", "modal", "deploy", str(code)])

    def python(self, code: str, *, ok: bool = True, **more: str) -> str:
        """A program that uses the official client."""
        return self.process([sys.executable, "-c", f"import modal\n{code}"], ok=ok, **more)

    def call(self, code: str) -> Any:
        """What `answer` is after a program of the official client, as JSON."""
        said = self.python(f"{code}\nimport json; print(json.dumps(answer))")
        return json.loads(said.splitlines()[-1])

    def start_python(self, code: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", f"import modal\n{code}"],
            cwd=self.state,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def process(self, command: list[str], *, ok: bool = True, **more: str) -> str:
        done = subprocess.run(
            command, cwd=self.state, env=self.environment(**more), capture_output=True, text=True, timeout=100
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, f"{said}\n{self.said()}"
        return done.stdout if ok else said

    def said(self) -> str:
        """What containers and the cloud said of them."""

        def read() -> str:
            from infra.localcloud.modal.model import LogFilter

            lines = [line for app in self.world.apps for line in self.fleet.logs(app, LogFilter())]
            return "".join(f"{line.task_id[-4:]} {line.source} {line.text}" for line in lines[-40:])

        return self.ask(read)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Looks again and again, in the server's thread, until it holds."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := self.ask(condition):
                return found
        raise AssertionError(f"what the test waits for did not come\n{self.said()}")


def meter(store: Store, clock: Clock) -> SqlMeter:
    return SqlMeter(store, clock, with_modal(lambda gpu_type_id, gpu_count, vcpu: Decimal(0)))


def _bound(port: int = 0) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
