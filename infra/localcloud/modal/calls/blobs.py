"""Large arguments, results and files: sent to and fetched from plain addresses that nobody can guess."""

import base64
import hashlib
import os
import re
import shutil
from pathlib import Path

from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

PREFIX = "/_blobs"
KEEP_S = 7 * 24 * 3600.0
PYTHON_CLIENTS = (api_pb2.CLIENT_TYPE_CLIENT, api_pb2.CLIENT_TYPE_CONTAINER)


class BlobStore:
    """Implements `model.Blobs`. What is older than a week goes at the next start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = world.state_dir / "blobs"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        oldest = world.clock.now() - KEEP_S
        for path in self._folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink()

    def path(self, blob_id: str) -> Path:
        path = self.place(blob_id)
        if not path.is_file():
            raise KeyError(blob_id)
        return path

    def keep(self, content: Path) -> str:
        blob_id = self._world.new_id("bl")
        shutil.copyfile(content, self.place(blob_id))
        return blob_id

    def place(self, blob_id: str) -> Path:
        """Where it is, or will be once it is complete. KeyError for what is no id."""
        if not re.fullmatch(r"bl-[A-Za-z0-9]+", blob_id):
            raise KeyError(blob_id)
        return self._folder / blob_id


def rpcs(world: World) -> Rpcs:
    async def create(request: api_pb2.BlobCreateRequest, call: Call) -> api_pb2.BlobCreateResponse:
        blob_id = world.new_id("bl")
        url = f"{world.urls.web}{PREFIX}/{blob_id}"
        if call.client_type not in PYTHON_CLIENTS:
            # Clients in other languages read the older, single fields.
            return api_pb2.BlobCreateResponse(blob_id=blob_id, upload_url=url)
        return api_pb2.BlobCreateResponse(blob_ids=[blob_id], upload_urls=api_pb2.UploadUrlList(items=[url]))

    async def get(request: api_pb2.BlobGetRequest, call: Call) -> api_pb2.BlobGetResponse:
        try:
            world.blobs.path(request.blob_id)
        except KeyError:
            raise not_found(f"Blob '{request.blob_id}' not found") from None
        return api_pb2.BlobGetResponse(download_url=f"{world.urls.web}{PREFIX}/{request.blob_id}")

    return {"BlobCreate": create, "BlobGet": get}


def routes(world: World, store: BlobStore) -> list[web.RouteDef]:
    async def upload(request: web.Request) -> web.Response:
        try:
            target = store.place(request.match_info["blob_id"])
        except KeyError:
            return web.Response(status=404, text="no such blob")
        scratch, digest = target.with_suffix(".part"), hashlib.md5(usedforsecurity=False)
        with scratch.open("wb") as file:
            async for chunk in request.content.iter_chunked(1 << 20):
                file.write(chunk)
                digest.update(chunk)
        wanted = request.headers.get("Content-MD5")
        if wanted and wanted != base64.b64encode(digest.digest()).decode():
            scratch.unlink()
            return web.Response(
                status=400, text="The Content-MD5 you specified did not match what we received."
            )
        os.replace(scratch, target)
        return web.Response(headers={"ETag": f'"{digest.hexdigest()}"'})

    async def download(request: web.Request) -> web.StreamResponse:
        try:
            return web.FileResponse(store.path(request.match_info["blob_id"]))
        except KeyError:
            return web.Response(status=404, text="no such blob")

    path = PREFIX + "/{blob_id}"
    return [web.put(path, upload), web.get(path, download)]
