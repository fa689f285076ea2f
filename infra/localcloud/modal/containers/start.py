"""Making a container real: its files, its environment, its own socket, and the official entrypoint as a process."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.core import namespace
from infra.localcloud.core.supervisor import Launcher, ProcessLauncher, Running, sweep
from infra.localcloud.modal.containers.arguments import container_arguments
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.environment import ROOM_VARIABLE, container_environment
from infra.localcloud.modal.containers.logs import STDERR, STDOUT, Logs, Stream
from infra.localcloud.modal.containers.platform import CannotStart
from infra.localcloud.modal.containers.ports import Ports
from infra.localcloud.modal.containers.room import Room
from infra.localcloud.modal.containers.scheduler import holds_port
from infra.localcloud.modal.model import Runtime
from infra.localcloud.modal.rpc import GrpcServer
from infra.localcloud.modal.world import World
from infra.spec.errors import PilotlightError

CACHE = (
    "PILOTLIGHT_CACHE"  # what containers of this machine keep for each other, at the same path in all of them
)
ENTRYPOINT = ["-m", "modal._container_entrypoint"]
# `@modal.web_server` looks for the address of the network card eth0, which a machine may not have; all listen here.
WEB_SERVER_ENTRYPOINT = [
    "-c",
    "import runpy, modal._runtime.asgi as asgi; asgi.get_ip_address = lambda interface: '127.0.0.1'; "
    "runpy.run_module('modal._container_entrypoint', run_name='__main__', alter_sys=True)",
]


class ProcessStarter:
    """Implements `Starter`. `namespaces`: give each container a root of its own; None: where the kernel allows."""

    def __init__(
        self, world: World, logs: Logs, *, namespaces: bool | None = None, launcher: Launcher | None = None
    ) -> None:
        self._world, self._logs = world, logs
        self._launcher = launcher or ProcessLauncher(world.clock)
        self._namespaces = namespaces
        self._rooms: dict[str, tuple[Room, GrpcServer | None, list[Stream]]] = {}
        self._folder = world.state_dir / "tasks"
        sweep(self._folder, ROOM_VARIABLE)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, mode=0o700)
        self._sockets = _socket_folder(world.state_dir)
        self._ports = Ports()

    async def start(self, container: Container) -> Running:
        try:
            return await self._start(container)
        except (OSError, KeyError, ValueError, RuntimeError, PilotlightError) as error:
            text = f"{error.args[0]} is gone" if isinstance(error, KeyError) else str(error)
            raise CannotStart(text) from error

    async def clean(self, container: Container) -> None:
        self._ports.release(container)
        room, server, streams = self._rooms.pop(container.id, (None, None, []))
        for stream in streams:
            stream.end(self._world.clock.now())
        if server is not None:
            await self._world.server.hang_up(server)
        if room is not None:
            room.socket.unlink(missing_ok=True)
            await asyncio.to_thread(_tidy, room.folder)

    def close(self) -> None:
        self._launcher.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _start(self, container: Container) -> Running:
        if self._namespaces is None:
            self._namespaces = await asyncio.to_thread(namespace.possible)
        self._ports.take(container)
        runtime = self._world.images.interpreter(container.record.function.image_id)
        room = Room(
            self._folder / container.id, self._sockets / f"{container.id[-12:]}.sock", self._namespaces
        )
        streams = [self._logs.sink(container, STDOUT), self._logs.sink(container, STDERR)]
        self._rooms[container.id] = (room, None, streams)
        await asyncio.to_thread(self._furnish, container, room, runtime)
        server = await self._world.server.listen_task(container.id, room.socket)
        self._rooms[container.id] = (room, server, streams)
        for note in (*runtime.notes, *room.notes):
            self._logs.system(container, note, self._world.clock.now())
        environment = container_environment(self._world, container, room, runtime)
        argv = room.argv([str(runtime.python), *_entrypoint(container.record.function)])
        return self._launcher.launch(argv, room.cwd, environment, streams[0], streams[1])

    def _furnish(self, container: Container, room: Room, runtime: Runtime) -> None:
        world, function = self._world, container.record.function
        room.make()
        for mount_id, folder in runtime.copies:
            world.mounts.materialise([mount_id], room.files / folder.lstrip("/"))
        world.mounts.materialise(function.mount_ids, room.files)
        room.arguments.write_bytes(container_arguments(world, container).SerializeToString())
        volumes = [
            (
                _below(world.volumes.directory(mount.volume_id), mount.sub_path),
                mount.mount_path,
                mount.read_only,
            )
            for mount in function.volume_mounts
        ]
        shared = [
            (world.volumes.directory(mount.shared_volume_id), mount.mount_path, False)
            for mount in function.shared_volume_mounts
        ]
        cache = world.offered_env.get(CACHE)
        room.furnish(runtime.python, runtime.workdir, [*volumes, *shared], [Path(cache)] if cache else [])


def _tidy(folder: Path) -> None:
    """Also what user code started in a session of its own."""
    sweep(folder, ROOM_VARIABLE)
    shutil.rmtree(folder, ignore_errors=True)


def _below(folder: Path, sub_path: str) -> Path:
    if ".." in Path(sub_path).parts:
        raise ValueError(f"the sub-path {sub_path!r} leads out of its volume")
    return folder / sub_path.lstrip("/")


def _entrypoint(function: api_pb2.Function) -> list[str]:
    return WEB_SERVER_ENTRYPOINT if holds_port(function) and not function.is_server else ENTRYPOINT


def _socket_folder(state_dir: Path) -> Path:
    """Short, because the path of a socket must not be longer than 107 bytes, and nobody else's."""
    name = f"pilotlight-{os.getuid()}-{hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:10]}"
    folder = Path(tempfile.gettempdir()) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder
