"""The S3 API on a port of its own, with boto3 as its client: the configuration that RunPod's documentation asks for."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aiohttp import web
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.localcloud.runpod.volumes import VolumeDirectories
from infra.localcloud.runpod.volumes.s3 import Credentials, s3_site

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS, SECRET = "user_2local", "rps_SECRET/+"
SESSION = boto3.session.Session()
PLACES = {"vol-ro": "EU-RO-1", "vol-other": "EU-RO-1", "vol-us": "US-KS-2"}


class Ticking:
    """The time of this machine, moved by `ahead` seconds."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Server:
    """The API, in a thread of its own because its clients block."""

    def __init__(self, folder: Path) -> None:
        self.volumes = VolumeDirectories(folder / "volumes")
        for volume_id in PLACES:
            self.volumes.create(volume_id)
        self.clock = Ticking()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self.port}"

    def client(
        self, region: str = "EU-RO-1", access: str = ACCESS, secret: str = SECRET, **config: Any
    ) -> "S3Client":
        options = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path"},
            "retries": {"max_attempts": 1},
            **config,
        }
        return SESSION.client(
            "s3",
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            config=Config(**options),
        )

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        await self._runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _start(self) -> int:
        app = s3_site(self.volumes, PLACES.get, Credentials(ACCESS, SECRET), self.clock)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture
def server(running: Server) -> Server:
    """With empty volumes."""
    running.clock.ahead = 0.0
    for volume_id in PLACES:
        running.volumes.remove(volume_id)
        running.volumes.create(volume_id)
    return running


@pytest.fixture(scope="session")
def _client(running: Server) -> "S3Client":
    return running.client()


@pytest.fixture
def s3(server: Server, _client: "S3Client") -> "S3Client":
    return _client


@pytest.fixture
def root(server: Server) -> Path:
    """The directory that workers see as /runpod-volume."""
    return server.volumes.path("vol-ro")


def refused(call: Any, /, **arguments: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that it must end with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return (
        int(error["ResponseMetadata"]["HTTPStatusCode"]),
        str(error["Error"].get("Code")),
        str(error["Error"].get("Message")),
    )
