"""A registry on a real port, and a client that shows every byte of what it answers."""

import asyncio
import base64
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from infra.localcloud.storage.registry import USER, Registry, registry_app

PASSWORD = "open sesame"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Until it holds; it is seen at once, and a test that would wait forever fails instead."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["code"])


class Client:
    def __init__(self, port: int, root: Path, *, password: str | None = PASSWORD) -> None:
        self.port = port
        self.root = root
        self.password = password

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {**self.authorization(), **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def authorization(self) -> dict[str, str]:
        if self.password is None:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()}

    def push_blob(self, repo: str, content: bytes) -> str:
        digest = digest_of(content)
        answer = self("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer.body
        return digest

    def push_image(self, repo: str, reference: str | None, layer: bytes = b"layer", **more: Any) -> str:
        """Config, one layer and a manifest; returns the manifest's digest."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": self.push_blob(repo, b"{}"), "size": 2},
            "layers": [{"mediaType": LAYER, "digest": self.push_blob(repo, layer), "size": len(layer)}],
            **more,
        }
        content = json.dumps(manifest).encode()
        target = reference or digest_of(content)
        answer = self("PUT", f"/v2/{repo}/manifests/{target}", content, {"Content-Type": MANIFEST})
        assert answer.status == 201, answer.body
        return digest_of(content)


@contextmanager
def serving(root: Path) -> Iterator[tuple[Registry, int]]:
    """The registry in a thread of its own, as another process would see it."""
    registry = Registry(root, PASSWORD)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        runner = web.AppRunner(registry_app(registry), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    async def stop() -> None:
        await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield registry, port
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def served(root: Path) -> Iterator[tuple[Registry, int]]:
    with serving(root) as found:
        yield found


@pytest.fixture
def client(served: tuple[Registry, int], root: Path) -> Client:
    return Client(served[1], root)


@pytest.fixture
def registry(served: tuple[Registry, int]) -> Registry:
    return served[0]
