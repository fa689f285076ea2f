"""The addresses at which clients put and get blocks: signed, so that nobody can make one up, and good for one thing."""

import asyncio
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import quote, urlencode

from aiohttp import web

from infra.localcloud.modal.rpc import RpcError
from infra.localcloud.modal.world import World

from .blocks import BLOCK, end_of
from .volumes import VolumeStore

PREFIX = "/_volumes"
_CHUNK = 1 << 20


class Addresses:
    def __init__(self, world: World) -> None:
        kv = world.kv("data")
        self._base = world.urls.web
        self._key = bytes.fromhex(kv.get("key", "") or secrets.token_hex(32))
        kv.put("key", self._key.hex())

    def to_put(self, volume_id: str, digest: bytes) -> str:
        path = f"{PREFIX}/{volume_id}/blocks/{digest.hex()}"
        return f"{self._base}{path}?{urlencode({'sig': self._sign(path)})}"

    def to_get(
        self, volume_id: str, path: str, part: tuple[int, int], found: os.stat_result, trim: bool
    ) -> str:
        """Of the file as it is now: once it has changed, the address is of no use."""
        address = f"{PREFIX}/{volume_id}/files/{quote(path.lstrip('/'))}"
        fields = {"start": part[0], "len": part[1], "of": _state(found), "trim": int(trim)}
        query = urlencode(fields)
        return f"{self._base}{address}?{query}&{urlencode({'sig': self._sign(f'{address}?{query}')})}"

    def fits(self, request: web.Request) -> bool:
        path, _, signature = request.raw_path.rpartition("sig=")
        return hmac.compare_digest(self._sign(path[:-1]), signature)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def routes(store: VolumeStore, addresses: Addresses) -> list[web.RouteDef]:
    async def put(request: web.Request) -> web.Response:
        volume_id = request.match_info["volume_id"]
        digest = bytes.fromhex(request.match_info["digest"])
        if not addresses.fits(request) or volume_id not in store:
            return web.Response(status=403, text="this address is not one that the local cloud gave out")
        scratch, seen, size = store.blocks.scratch(volume_id), hashlib.sha256(), 0
        try:
            with scratch.open("wb") as file:
                async for chunk in request.content.iter_chunked(_CHUNK):
                    size += len(chunk)
                    if size > BLOCK:
                        return web.Response(status=413, text=f"a block has at most {BLOCK} bytes")
                    file.write(chunk)
                    seen.update(chunk)
            if seen.digest() != digest:
                return web.Response(
                    status=400, text=f"the block has SHA-256 {seen.hexdigest()}, not {digest.hex()}"
                )
            store.blocks.put(volume_id, digest, scratch)
        finally:
            scratch.unlink(missing_ok=True)
        return web.Response(body=digest)

    async def get(request: web.Request) -> web.StreamResponse:
        volume_id, path = request.match_info["volume_id"], request.match_info["path"]
        if not addresses.fits(request) or volume_id not in store:
            return web.Response(status=403, text="this address is not one that the local cloud gave out")
        start, length = int(request.query["start"]), int(request.query["len"])
        try:
            place = store.tree(volume_id).file(path)
            if _state(place.stat()) != request.query["of"]:
                return web.Response(status=410, text="the file has changed since it was asked for")
        except (RpcError, OSError):
            return web.Response(status=404, text="the file is gone")
        if request.query["trim"] == "1":
            length = await asyncio.to_thread(end_of, place, start, length) - start
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = length
        await response.prepare(request)
        await _send(response, place, start, length)
        return response

    return [
        web.put(PREFIX + "/{volume_id}/blocks/{digest:[0-9a-f]{64}}", put),
        web.get(PREFIX + "/{volume_id}/files/{path:.+}", get),
    ]


async def _send(response: web.StreamResponse, place: Path, start: int, length: int) -> None:
    with place.open("rb") as file:
        file.seek(start)
        while length > 0:
            chunk = await asyncio.to_thread(file.read, min(_CHUNK, length))
            if not chunk:
                return
            await response.write(chunk)
            length -= len(chunk)


def _state(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"
