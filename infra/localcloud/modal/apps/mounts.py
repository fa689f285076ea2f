"""Mounts: files of the user's code, kept by content, so that what has not changed is not sent again."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.model import MountedFile, MountRecord
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

FILE_MODE = 0o644


class ContentStore:
    """Implements `model.Mounts`: `<root>/ab/cdef…` holds the content with SHA-256 abcdef…"""

    def __init__(self, world: World) -> None:
        self._world = world
        self._root = world.state_dir / "content"

    def content(self, sha256: str) -> Path | None:
        path = self._path(sha256)
        return path if path.is_file() else None

    def put(self, sha256: str, data: bytes | Path) -> None:
        given = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else _hash(data)
        if given != sha256:
            raise ValueError(f"content has SHA-256 {given}, not {sha256}")
        target = self._path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if isinstance(data, Path):
            shutil.move(data, target)
            return
        descriptor, scratch = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(scratch, target)

    def materialise(self, mount_ids: Sequence[str], into: Path) -> None:
        for mount_id in mount_ids:
            for file in self._world.mount_records[mount_id].files:
                target = _below(into, file.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._path(file.sha256), target)
                target.chmod(file.mode or FILE_MODE)

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]


def rpcs(world: World) -> Rpcs:
    async def missing(
        request: api_pb2.MountBatchedCheckExistenceRequest, call: Call
    ) -> api_pb2.MountBatchedCheckExistenceResponse:
        unknown = [hash for hash in request.sha256_hex_hashes if world.mounts.content(_hex(hash)) is None]
        return api_pb2.MountBatchedCheckExistenceResponse(
            missing_sha256_hex_hashes=unknown, checked_at=_now(world)
        )

    async def put(request: api_pb2.MountPutFileRequest, call: Call) -> api_pb2.MountPutFileResponse:
        """Without data it only asks."""
        content = _hex(request.sha256_hex)
        kind = request.WhichOneof("data_oneof")
        try:
            if kind == "data":
                world.mounts.put(content, request.data)
            elif kind == "data_blob_id":
                world.mounts.put(content, world.blobs.path(request.data_blob_id))
        except KeyError:
            raise not_found(f"Blob '{request.data_blob_id}' not found") from None
        except ValueError as error:
            raise invalid(f"The file was damaged on its way: {error}") from None
        exists = world.mounts.content(content) is not None
        return api_pb2.MountPutFileResponse(exists=exists, checked_at=_now(world))

    async def get_or_create(
        request: api_pb2.MountGetOrCreateRequest, call: Call
    ) -> api_pb2.MountGetOrCreateResponse:
        """The published mounts that clients ask for hold the client itself and Python, both of which are here."""
        files = [
            MountedFile(
                file.filename,
                _hex(file.sha256_hex),
                file.mode or FILE_MODE,
                file.size if file.HasField("size") else 0,
            )
            for file in request.files
        ]
        lost = [file.filename for file in files if world.mounts.content(file.sha256) is None]
        if lost:
            raise invalid(f"Files of the mount were not sent: {', '.join(lost[:5])}")
        for file in files:
            _check_name(file.filename)
        files.sort(key=lambda file: file.filename)
        lines = [f"{file.filename}\0{file.sha256}\0{file.mode:o}" for file in files]
        checksum = hashlib.sha256("\n".join(lines or [request.deployment_name]).encode()).hexdigest()
        mount_id = f"mo-{checksum[:22]}"
        if mount_id not in world.mount_records:
            world.mount_records.put(MountRecord(mount_id, checksum, files))
        return api_pb2.MountGetOrCreateResponse(
            mount_id=mount_id,
            handle_metadata=api_pb2.MountHandleMetadata(content_checksum_sha256_hex=checksum),
        )

    return {
        "MountBatchedCheckExistence": missing,
        "MountPutFile": put,
        "MountGetOrCreate": get_or_create,
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hex(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise invalid(f"'{text[:80]}' is no SHA-256 in hexadecimal")
    return text


def _check_name(filename: str) -> None:
    if ".." in Path(filename).parts or "\0" in filename:
        raise invalid(f"'{filename}' leads out of the container's files")


def _below(root: Path, filename: str) -> Path:
    return root / filename.lstrip("/")


def _now(world: World) -> Timestamp:
    return Timestamp(seconds=int(world.clock.now()))
