"""Files of a volume, for clients outside of it: put, got, listed, removed, copied."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from . import blocks
from .blocks import Planned
from .transfer import Addresses
from .tree import Tree
from .volumes import VolumeStore

BATCH = 1000  # entries of a listing in one message


def rpcs(world: World, store: VolumeStore, addresses: Addresses) -> Rpcs:
    def tree(volume_id: str) -> Tree:
        return store.tree(store.volumes.need(volume_id).object_id)

    async def put2(request: api_pb2.VolumePutFiles2Request, call: Call) -> api_pb2.VolumePutFiles2Response:
        """All of the files, or none and which blocks to send first."""
        volume_id, files = request.volume_id, tree(request.volume_id)
        plans = [
            Planned(file.path, file.size, file.mode, tuple(block.contents_sha256 for block in file.blocks))
            for file in request.files
        ]
        for plan in plans:
            blocks.check_plan(plan)
            files.check_free(plan.path, not request.disallow_overwrite_existing_files)
        fresh = await asyncio.to_thread(_changed, files, plans)
        digests = frozenset(digest for plan in fresh for digest in plan.blocks)
        store.blocks.begin(volume_id, digests)
        missing = _missing(store, addresses, volume_id, plans, fresh)
        if missing:
            return api_pb2.VolumePutFiles2Response(missing_blocks=missing)
        await asyncio.to_thread(_assemble, store, volume_id, files, fresh)
        store.blocks.end(volume_id, digests)
        return api_pb2.VolumePutFiles2Response()

    async def put1(request: api_pb2.VolumePutFilesRequest, call: Call) -> Empty:
        """Their content came before, through `MountPutFile`."""
        files = tree(request.volume_id)
        contents = []
        for file in request.files:
            files.check_free(file.filename, not request.disallow_overwrite_existing_files)
            content = world.mounts.content(file.sha256_hex)
            if content is None:
                raise invalid(f"The content of '{file.filename}' was not sent")
            contents.append((content, file))
        await asyncio.to_thread(_copy_in, store, request.volume_id, files, contents)
        return Empty()

    async def get2(request: api_pb2.VolumeGetFile2Request, call: Call) -> api_pb2.VolumeGetFile2Response:
        place = tree(request.volume_id).file(request.path)
        found = place.stat()
        start, length = _range(found.st_size, request.start, request.len)
        urls = [
            addresses.to_get(request.volume_id, request.path, part, found, request.client_pads_blocks)
            for part in blocks.parts(start, length)
        ]
        return api_pb2.VolumeGetFile2Response(get_urls=urls, size=found.st_size, start=start, len=length)

    async def get1(request: api_pb2.VolumeGetFileRequest, call: Call) -> api_pb2.VolumeGetFileResponse:
        place = tree(request.volume_id).file(request.path)
        size = place.stat().st_size
        start, length = _range(size, request.start, request.len)
        answer = api_pb2.VolumeGetFileResponse(size=size, start=start, len=length)
        if (start, length) == (0, size) and size > INLINE:
            answer.data_blob_id = await asyncio.to_thread(world.blobs.keep, place)
        else:
            answer.data = await asyncio.to_thread(_read, place, start, length)
        return answer

    async def list1(
        request: api_pb2.VolumeListFilesRequest, call: Call
    ) -> AsyncIterator[api_pb2.VolumeListFilesResponse]:
        for batch in await _list(tree(request.volume_id), request):
            yield api_pb2.VolumeListFilesResponse(entries=batch)

    async def list2(
        request: api_pb2.VolumeListFiles2Request, call: Call
    ) -> AsyncIterator[api_pb2.VolumeListFiles2Response]:
        for batch in await _list(tree(request.volume_id), request):
            yield api_pb2.VolumeListFiles2Response(entries=batch)

    async def remove(
        request: api_pb2.VolumeRemoveFileRequest | api_pb2.VolumeRemoveFile2Request, call: Call
    ) -> Empty:
        await asyncio.to_thread(tree(request.volume_id).remove, request.path, request.recursive)
        return Empty()

    async def copy(
        request: api_pb2.VolumeCopyFilesRequest | api_pb2.VolumeCopyFiles2Request, call: Call
    ) -> Empty:
        files = tree(request.volume_id)
        await asyncio.to_thread(files.copy, request.src_paths, request.dst_path, request.recursive)
        return Empty()

    return {
        "VolumePutFiles": put1,
        "VolumePutFiles2": put2,
        "VolumeGetFile": get1,
        "VolumeGetFile2": get2,
        "VolumeListFiles": list1,
        "VolumeListFiles2": list2,
        "VolumeRemoveFile": remove,
        "VolumeRemoveFile2": remove,
        "VolumeCopyFiles": copy,
        "VolumeCopyFiles2": copy,
    }


INLINE = 2 << 20  # bytes that go in the answer itself


def _changed(files: Tree, plans: Sequence[Planned]) -> list[Planned]:
    """What is there already, byte for byte, need not be sent again."""
    return [plan for plan in plans if not blocks.holds(files.place(plan.path), plan)]


def _missing(
    store: VolumeStore,
    addresses: Addresses,
    volume_id: str,
    plans: Sequence[Planned],
    fresh: Sequence[Planned],
) -> list[api_pb2.VolumePutFiles2Response.MissingBlock]:
    """Each block once, however many files have it."""
    missing, asked, wanted = [], set(), {id(plan) for plan in fresh}
    for file_index, plan in enumerate(plans):
        if id(plan) not in wanted:
            continue
        for block_index, digest in enumerate(plan.blocks):
            if digest in asked or store.blocks.has(volume_id, digest):
                continue
            asked.add(digest)
            missing.append(
                api_pb2.VolumePutFiles2Response.MissingBlock(
                    file_index=file_index,
                    block_index=block_index,
                    put_url=addresses.to_put(volume_id, digest),
                )
            )
    return missing


def _assemble(store: VolumeStore, volume_id: str, files: Tree, plans: Sequence[Planned]) -> None:
    ready: list[tuple[Path, Planned]] = []
    try:
        for plan in plans:
            ready.append((store.blocks.assemble(volume_id, plan), plan))
        for scratch, plan in ready:
            files.take(scratch, plan.path, plan.mode)
    finally:
        for scratch, _ in ready:
            scratch.unlink(missing_ok=True)


def _copy_in(
    store: VolumeStore, volume_id: str, files: Tree, contents: Sequence[tuple[Path, api_pb2.MountFile]]
) -> None:
    for content, file in contents:
        scratch = store.blocks.scratch(volume_id)
        try:
            shutil.copyfile(content, scratch)
            files.take(scratch, file.filename, file.mode)
        finally:
            scratch.unlink(missing_ok=True)


async def _list(
    files: Tree, request: api_pb2.VolumeListFilesRequest | api_pb2.VolumeListFiles2Request
) -> list[list[api_pb2.FileEntry]]:
    entries = await asyncio.to_thread(files.entries, request.path, request.recursive, request.max_entries)
    return [entries[at : at + BATCH] for at in range(0, len(entries), BATCH)]


def _range(size: int, start: int, length: int) -> tuple[int, int]:
    """What there is of what was asked for; no length means to the end."""
    start = min(start, size)
    return start, min(length or size, size - start)


def _read(place: Path, start: int, length: int) -> bytes:
    with place.open("rb") as file:
        file.seek(start)
        return file.read(length)
