"""Blobs of the registry: read (whole or by range), upload (at once, in chunks, resumed), mount, delete."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from .blobs import DIGEST, BlobStore, DigestMismatch, Upload
from .registry_errors import RegistryError

BUFFER = 1 << 20  # bytes hashed and written per hop to a thread
TURN_S = 5.0  # how long a request waits for the one that writes the same upload


def add_routes(router: web.UrlDispatcher, store: BlobStore) -> None:
    blobs = _Blobs(store)
    uploads = "/v2/{name:.+}/blobs/uploads"
    router.add_post(uploads, blobs.start)
    router.add_post(uploads + "/", blobs.start)
    router.add_get(uploads + "/{uuid}", blobs.progress)
    router.add_patch(uploads + "/{uuid}", blobs.append)
    router.add_put(uploads + "/{uuid}", blobs.finish)
    router.add_delete(uploads + "/{uuid}", blobs.abort)
    router.add_get("/v2/{name:.+}/blobs/{digest}", blobs.read)
    router.add_delete("/v2/{name:.+}/blobs/{digest}", blobs.delete)


class _Blobs:
    def __init__(self, store: BlobStore) -> None:
        self.store = store

    async def read(self, request: web.Request) -> web.StreamResponse:
        name, digest = self._held(request)
        path = self.store.blob_path(digest)
        if path is None:
            raise RegistryError(404, "BLOB_UNKNOWN", f"no blob {digest} in {name}")
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        return web.FileResponse(path, headers=headers, chunk_size=BUFFER)

    async def delete(self, request: web.Request) -> web.Response:
        self.store.unlink(*self._held(request))
        return web.Response(status=202)

    async def start(self, request: web.Request) -> web.Response:
        name, query = request.match_info["name"], request.query
        mount, source = query.get("mount", ""), query.get("from", "")
        if DIGEST.fullmatch(mount) and self._mountable(mount, source):
            self.store.link(name, mount)
            return _created(name, mount)
        upload = self.store.begin()
        if "digest" not in query:
            return _accepted(name, upload)
        try:
            return await self._receive_and_finish(request, upload)
        except BaseException:
            self.store.abort(upload)
            raise

    async def progress(self, request: web.Request) -> web.Response:
        async with self._upload(request) as upload:
            return _accepted(request.match_info["name"], upload, status=204)

    async def append(self, request: web.Request) -> web.Response:
        async with self._upload(request) as upload:
            await _receive(request, upload)
            return _accepted(request.match_info["name"], upload)

    async def finish(self, request: web.Request) -> web.Response:
        async with self._upload(request) as upload:
            return await self._receive_and_finish(request, upload)

    async def abort(self, request: web.Request) -> web.Response:
        async with self._upload(request) as upload:
            self.store.abort(upload)
            return web.Response(status=204)

    def _mountable(self, digest: str, source: str) -> bool:
        if not source:
            return self.store.blob_path(digest) is not None
        return ".." not in source and self.store.holds(source.strip("/"), digest)

    def _held(self, request: web.Request) -> tuple[str, str]:
        name, digest = request.match_info["name"], request.match_info["digest"]
        if not self.store.holds(name, digest):
            raise RegistryError(404, "BLOB_UNKNOWN", f"no blob {digest} in {name}")
        return name, digest

    @asynccontextmanager
    async def _upload(self, request: web.Request) -> AsyncIterator[Upload]:
        """The upload, for this request alone. The request before, whose connection broke, may be at its last bytes."""
        uuid = request.match_info["uuid"]
        known = re.fullmatch(r"[0-9a-f]{32}", uuid)
        upload = await asyncio.to_thread(self.store.upload, uuid) if known else None
        if upload is None:
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {uuid}: begin a new one")
        try:
            await asyncio.wait_for(upload.turn.acquire(), TURN_S)
        except TimeoutError:
            message = f"upload {uuid} is being written by another request"
            raise RegistryError(409, "BLOB_UPLOAD_INVALID", message) from None
        try:
            yield upload
        finally:
            upload.turn.release()

    async def _receive_and_finish(self, request: web.Request, upload: Upload) -> web.Response:
        name, digest = request.match_info["name"], request.query.get("digest", "")
        if not DIGEST.fullmatch(digest):
            raise RegistryError(
                400, "DIGEST_INVALID", f"the digest parameter must be a digest, not {digest!r}"
            )
        await _receive(request, upload)
        try:
            await asyncio.to_thread(self.store.finish, upload, name, digest)
        except DigestMismatch as error:
            raise RegistryError(400, "DIGEST_INVALID", f"announced {digest}, {error}") from None
        return _created(name, digest)


async def _receive(request: web.Request, upload: Upload) -> None:
    """Append the body. What arrived before the connection broke is kept, so the client can go on from there."""
    _check_range(request, upload)
    buffer = bytearray()
    try:
        async for chunk in request.content.iter_any():
            buffer += chunk
            if len(buffer) >= BUFFER:
                full, buffer = buffer, bytearray()
                await asyncio.to_thread(upload.write, bytes(full))
    finally:
        upload.write(bytes(buffer))


def _check_range(request: web.Request, upload: Upload) -> None:
    given = request.headers.get("Content-Range")
    if given is None:
        return
    found = re.fullmatch(r"(?:bytes[ =])?(\d+)-(\d+)(?:/.*)?", given)
    if found and int(found[1]) == upload.size and int(found[2]) >= int(found[1]):
        return
    raise RegistryError(
        416,
        "BLOB_UPLOAD_INVALID",
        f"Content-Range {given} does not follow the {upload.size} bytes received",
        headers=_where(request.match_info["name"], upload),
    )


def _where(name: str, upload: Upload) -> dict[str, str]:
    return {
        "Location": f"/v2/{name}/blobs/uploads/{upload.uuid}",
        "Range": f"0-{max(0, upload.size - 1)}",
        "Docker-Upload-UUID": upload.uuid,
    }


def _accepted(name: str, upload: Upload, *, status: int = 202) -> web.Response:
    return web.Response(status=status, headers=_where(name, upload))


def _created(name: str, digest: str) -> web.Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return web.Response(status=201, headers=headers)
