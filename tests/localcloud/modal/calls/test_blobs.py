"""Large content goes by address: up with its checksum, down as it came."""

import asyncio
import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal.calls.blobs import BlobStore, routes, rpcs
from infra.localcloud.modal.rpc import Call, RpcError
from tests.localcloud.modal.stage import Stage, play

DATA = os.urandom(3_000_000)


def call(client_type: int) -> Call:
    return Call("BlobCreate", client_type, "1.6.4", True, None, "", {})


def test_a_blob_goes_up_and_down(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        async with aiohttp.ClientSession() as session, _site(stage) as url:
            stage.world.urls = type(stage.world.urls)("", url)
            ask: Any = rpcs(stage.world)
            created = await ask["BlobCreate"](api_pb2.BlobCreateRequest(), call(api_pb2.CLIENT_TYPE_CLIENT))
            (blob_id,), (address,) = created.blob_ids, created.upload_urls.items
            with pytest.raises(RpcError):
                await ask["BlobGet"](api_pb2.BlobGetRequest(blob_id=blob_id), call(1))
            md5 = hashlib.md5(DATA)
            wrong = {"Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}
            async with session.put(address, data=DATA, headers=wrong) as refused:
                assert refused.status == 400
            right = {"Content-MD5": base64.b64encode(md5.digest()).decode()}
            async with session.put(address, data=DATA, headers=right) as taken:
                assert (taken.status, taken.headers["ETag"]) == (200, f'"{md5.hexdigest()}"')
            found = await ask["BlobGet"](api_pb2.BlobGetRequest(blob_id=blob_id), call(1))
            async with session.get(found.download_url) as answer:
                assert await answer.read() == DATA
            assert stage.world.blobs.path(blob_id).read_bytes() == DATA

    play(tmp_path, test)


def test_clients_in_other_languages_get_the_single_fields(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        ask: Any = rpcs(stage.world)
        created = await ask["BlobCreate"](api_pb2.BlobCreateRequest(), call(8))
        assert created.upload_url.endswith(created.blob_id)
        assert list(created.blob_ids) == []

    play(tmp_path, test)


def test_an_address_that_names_no_blob_leads_nowhere(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        async with aiohttp.ClientSession() as session, _site(stage) as url:
            for name in ("bl-unknown", "..%2f..%2fstate.sqlite", "x"):
                async with session.get(f"{url}/_blobs/{name}") as answer:
                    assert answer.status == 404

    play(tmp_path, test)


def test_what_is_a_week_old_goes_at_the_next_start(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        store = BlobStore(stage.world)
        for name, age_s in (("bl-old", 8 * 24 * 3600), ("bl-new", 60)):
            store.place(name).write_bytes(b"x")
            os.utime(store.place(name), (0, stage.clock.now() - age_s))
        again = BlobStore(stage.world)
        assert again.path("bl-new").exists()
        with pytest.raises(KeyError):
            again.path("bl-old")

    play(tmp_path, test)


class _site:
    def __init__(self, stage: Stage) -> None:
        self._store = stage.world.blobs = BlobStore(stage.world)
        app = web.Application()
        app.add_routes(routes(stage.world, self._store))
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aexit__(self, *error: object) -> None:
        await asyncio.shield(self._runner.cleanup())
