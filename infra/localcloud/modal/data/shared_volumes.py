"""Network file systems: the older kind of volume, which Modal still serves. No blocks: a file is sent as a whole."""

import asyncio
import fnmatch
import hashlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .tree import Tree
from .volume_files import BATCH, INLINE
from .volumes import VolumeStore


def rpcs(world: World, store: VolumeStore) -> Rpcs:
    shelf = store.shared

    def tree(shared_volume_id: str) -> Tree:
        return store.tree(shelf.need(shared_volume_id).object_id)

    async def get_or_create(
        request: api_pb2.SharedVolumeGetOrCreateRequest, call: Call
    ) -> api_pb2.SharedVolumeGetOrCreateResponse:
        record, _ = shelf.get_or_create(
            request.deployment_name, request.environment_name, request.object_creation_type
        )
        return api_pb2.SharedVolumeGetOrCreateResponse(shared_volume_id=record.object_id)

    async def list_all(
        request: api_pb2.SharedVolumeListRequest, call: Call
    ) -> api_pb2.SharedVolumeListResponse:
        environment = world.environment(request.environment_name).name
        items = [
            api_pb2.SharedVolumeListItem(
                label=record.name, shared_volume_id=record.object_id, created_at=record.created_at
            )
            for record in shelf.page(environment, api_pb2.ListPagination())
        ]
        return api_pb2.SharedVolumeListResponse(items=items, environment_name=environment)

    async def put(
        request: api_pb2.SharedVolumePutFileRequest, call: Call
    ) -> api_pb2.SharedVolumePutFileResponse:
        """One that is there is overwritten."""
        files = tree(request.shared_volume_id)
        files.check_free(request.path, overwrite=True)
        blob = _blob(world, request.data_blob_id) if request.data_blob_id else None
        await asyncio.to_thread(_put, store, files, request, blob)
        return api_pb2.SharedVolumePutFileResponse(exists=True)

    async def get(
        request: api_pb2.SharedVolumeGetFileRequest, call: Call
    ) -> api_pb2.SharedVolumeGetFileResponse:
        place = tree(request.shared_volume_id).file(request.path)
        if place.stat().st_size <= INLINE:
            return api_pb2.SharedVolumeGetFileResponse(data=await asyncio.to_thread(place.read_bytes))
        blob_id = await asyncio.to_thread(world.blobs.keep, place)
        return api_pb2.SharedVolumeGetFileResponse(data_blob_id=blob_id)

    async def list_files(
        request: api_pb2.SharedVolumeListFilesRequest, call: Call
    ) -> api_pb2.SharedVolumeListFilesResponse:
        entries = await asyncio.to_thread(_list, tree(request.shared_volume_id), request.path)
        return api_pb2.SharedVolumeListFilesResponse(entries=entries)

    async def list_stream(
        request: api_pb2.SharedVolumeListFilesRequest, call: Call
    ) -> AsyncIterator[api_pb2.SharedVolumeListFilesResponse]:
        entries = await asyncio.to_thread(_list, tree(request.shared_volume_id), request.path)
        for at in range(0, len(entries), BATCH):
            yield api_pb2.SharedVolumeListFilesResponse(entries=entries[at : at + BATCH])

    async def remove(request: api_pb2.SharedVolumeRemoveFileRequest, call: Call) -> Empty:
        files = tree(request.shared_volume_id)
        await asyncio.to_thread(files.remove, request.path, request.recursive)
        return Empty()

    async def delete(request: api_pb2.SharedVolumeDeleteRequest, call: Call) -> Empty:
        shelf.delete(request.shared_volume_id)
        return Empty()

    async def heartbeat(request: api_pb2.SharedVolumeHeartbeatRequest, call: Call) -> Empty:
        shelf.heartbeat(request.shared_volume_id)
        return Empty()

    return {
        "SharedVolumeGetOrCreate": get_or_create,
        "SharedVolumeList": list_all,
        "SharedVolumePutFile": put,
        "SharedVolumeGetFile": get,
        "SharedVolumeListFiles": list_files,
        "SharedVolumeListFilesStream": list_stream,
        "SharedVolumeRemoveFile": remove,
        "SharedVolumeDelete": delete,
        "SharedVolumeHeartbeat": heartbeat,
    }


def _put(
    store: VolumeStore, files: Tree, request: api_pb2.SharedVolumePutFileRequest, blob: Path | None
) -> None:
    scratch = store.blocks.scratch(request.shared_volume_id)
    try:
        if blob is None:
            scratch.write_bytes(request.data)
        else:
            shutil.copyfile(blob, scratch)
        with scratch.open("rb") as file:
            given = hashlib.file_digest(file, "sha256").hexdigest()
        if request.sha256_hex not in ("", given):
            raise invalid(f"'{request.path}' was damaged on its way: it has SHA-256 {given}")
        files.take(scratch, request.path, 0)
    finally:
        scratch.unlink(missing_ok=True)


def _blob(world: World, blob_id: str) -> Path:
    try:
        return world.blobs.path(blob_id)
    except KeyError:
        raise not_found(f"Blob '{blob_id}' not found") from None


def _list(files: Tree, path: str) -> list[api_pb2.FileEntry]:
    """With a * in it, all that fits, by paths from the root; of a folder, what is in it, by name; a file itself."""
    if "*" in path:
        fits = re.compile(_pattern(path.strip("/")))
        return [entry for entry in files.entries("/", recursive=True) if fits.fullmatch(entry.path)]
    entries = files.entries(path, recursive=False)
    place = files.place(path)
    if place.is_dir() and place != files.root:
        for entry in entries:
            entry.path = Path(entry.path).name
    return entries


def _pattern(glob: str) -> str:
    """** goes through folders, * does not."""
    pieces = [
        ".*"
        if piece == "**"
        else fnmatch.translate(piece).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")
        for piece in re.split(r"(\*\*)", glob)
    ]
    return "".join(pieces)
