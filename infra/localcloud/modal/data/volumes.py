"""Volumes: made, found, listed, renamed, deleted, committed. Containers mount their folders as they are."""

import os
import shutil
from pathlib import Path

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import World

from .blocks import Blocks
from .named import Named, Shelf
from .tree import Tree

# What a volume gets that asks for no version: as the client has it, which takes an unnamed version for 1.
DEFAULT_VERSION = api_pb2.VOLUME_FS_VERSION_V1


class VolumeStore:
    """Implements `model.Volumes`: `<state>/volumes/<id>/` is what a volume, or a network file system, holds.

    A write in one container is there for all others at once; on Modal it is after a commit and a reload.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = world.state_dir / "volumes"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.blocks = Blocks(world.state_dir / "blocks", world.clock)
        self.volumes = Shelf(world, "volumes", "vo", "Volume", self._removed)
        self.shared = Shelf(world, "shared_volumes", "sv", "NetworkFileSystem", self._removed)
        self._sweep()

    def directory(self, volume_id: str) -> Path:
        folder = self._folder / self._record(volume_id).object_id
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def commit(self, volume_id: str) -> None:
        """Nothing to do, since what is written is there. KeyError for an unknown one."""
        self._record(volume_id)

    def name(self, volume_id: str) -> str:
        return self._record(volume_id).name

    def tree(self, volume_id: str) -> Tree:
        return Tree(self.directory(volume_id))

    def __contains__(self, volume_id: str) -> bool:
        return self.volumes.get(volume_id) is not None or self.shared.get(volume_id) is not None

    def _record(self, volume_id: str) -> Named:
        record = self.volumes.get(volume_id) or self.shared.get(volume_id)
        if record is None:
            raise KeyError(volume_id)
        return record

    def _removed(self, record: Named) -> None:
        self.blocks.forget(record.object_id)
        folder = self._folder / record.object_id
        if folder.exists():
            # In one step out of everybody's sight; a large one takes a while to go.
            gone = self._folder / f"{record.object_id}.gone"
            os.replace(folder, gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self) -> None:
        """What a killed daemon had not finished deleting."""
        for path in self._folder.iterdir():
            if path.name not in self:
                shutil.rmtree(path, ignore_errors=True)


def rpcs(world: World, store: VolumeStore) -> Rpcs:
    shelf = store.volumes

    async def get_or_create(
        request: api_pb2.VolumeGetOrCreateRequest, call: Call
    ) -> api_pb2.VolumeGetOrCreateResponse:
        if request.version not in api_pb2.VolumeFsVersion.values():
            raise invalid(f"There is no volume file system of version {request.version}: 1 or 2")
        record, _ = shelf.get_or_create(
            request.deployment_name,
            request.environment_name,
            request.object_creation_type,
            request.version or DEFAULT_VERSION,
        )
        metadata = _metadata(record)
        return api_pb2.VolumeGetOrCreateResponse(
            volume_id=record.object_id, version=metadata.version, metadata=metadata
        )

    async def get_by_id(request: api_pb2.VolumeGetByIdRequest, call: Call) -> api_pb2.VolumeGetByIdResponse:
        record = shelf.need(request.volume_id)
        return api_pb2.VolumeGetByIdResponse(volume_id=record.object_id, metadata=_metadata(record))

    async def list_all(request: api_pb2.VolumeListRequest, call: Call) -> api_pb2.VolumeListResponse:
        environment = world.environment(request.environment_name).name
        items = [
            api_pb2.VolumeListItem(
                label=record.name,
                volume_id=record.object_id,
                created_at=record.created_at,
                metadata=_metadata(record),
            )
            for record in shelf.page(environment, request.pagination)
        ]
        return api_pb2.VolumeListResponse(items=items, environment_name=environment)

    async def rename(request: api_pb2.VolumeRenameRequest, call: Call) -> Empty:
        shelf.rename(request.volume_id, request.name)
        return Empty()

    async def delete(request: api_pb2.VolumeDeleteRequest, call: Call) -> Empty:
        """Also one that is in use, as Modal does: containers that mount it lose its files, and no more can start."""
        shelf.delete(request.volume_id)
        return Empty()

    async def heartbeat(request: api_pb2.VolumeHeartbeatRequest, call: Call) -> Empty:
        shelf.heartbeat(request.volume_id)
        return Empty()

    async def commit(request: api_pb2.VolumeCommitRequest, call: Call) -> api_pb2.VolumeCommitResponse:
        shelf.need(request.volume_id)
        _check_mounted(world, request.volume_id, call, "commit")
        store.commit(request.volume_id)
        return api_pb2.VolumeCommitResponse(skip_reload=True)

    async def reload(request: api_pb2.VolumeReloadRequest, call: Call) -> Empty:
        shelf.need(request.volume_id)
        _check_mounted(world, request.volume_id, call, "reload")
        return Empty()

    return {
        "VolumeGetOrCreate": get_or_create,
        "VolumeGetById": get_by_id,
        "VolumeList": list_all,
        "VolumeRename": rename,
        "VolumeDelete": delete,
        "VolumeHeartbeat": heartbeat,
        "VolumeCommit": commit,
        "VolumeReload": reload,
    }


def _check_mounted(world: World, volume_id: str, call: Call, what: str) -> None:
    """RpcError FAILED_PRECONDITION where the caller is no container with the volume."""
    task = world.fleet.task(call.task_id) if call.task_id else None
    if task is None:
        raise RpcError(
            Status.FAILED_PRECONDITION,
            f"Volume {what} works only inside of a container that mounts the volume",
        )
    mounts = world.function(task.function_id).function.volume_mounts
    if all(mount.volume_id != volume_id for mount in mounts):
        raise RpcError(
            Status.FAILED_PRECONDITION, f"Volume '{volume_id}' is not mounted here: nothing to {what}"
        )


def _metadata(record: Named) -> api_pb2.VolumeMetadata:
    version: api_pb2.VolumeFsVersion.ValueType = record.version  # type: ignore[assignment]
    return api_pb2.VolumeMetadata(version=version, name=record.name, creation_info=record.creation_info)
