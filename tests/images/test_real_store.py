"""The runtime's reader against the object store that the local cloud runs, written to by boto3."""

import asyncio
import socket
from pathlib import Path

import boto3
import pytest
from pilotlight_runtime import weights
from pilotlight_runtime.errors import StartError
from pilotlight_runtime.objects import Store
from s3server import staged

from infra.localcloud.core.clock import RealClock
from infra.localcloud.storage.objectstore import REGION, ObjectStore, ObjectStoreConfig

BINARIES = sorted(Path("~/.cache/pilotlight").expanduser().glob("versitygw-*/bin/versitygw"))


@pytest.mark.skipif(not BINARIES, reason="versitygw is not built: run `make setup`")
def test_weights_from_versitygw(tmp_path):
    files = {
        "model.safetensors": bytes(range(256)) * 3000,
        "config.json": b"{}",
        "empty": b"",
        "sub/ü b+c.txt": b"x",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = ObjectStoreConfig(
        BINARIES[-1],
        tmp_path / "data",
        tmp_path / "home",
        tmp_path / "log",
        port,
        "AKIDTEST",
        "not-a-real-secret",
    )
    env = {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
    }

    def use() -> None:
        client = boto3.client(
            "s3",
            endpoint_url=env["AWS_ENDPOINT_URL_S3"],
            region_name=REGION,
            aws_access_key_id=config.access_key_id,
            aws_secret_access_key=config.secret_access_key,
        )
        client.create_bucket(Bucket="models")
        uri, objects = staged(files)
        for key, data in objects.items():
            client.put_object(Bucket="models", Key=key, Body=data)
        got = weights.fetch(uri, tmp_path / "cache", lambda: Store.from_env(env), part_bytes=1 << 16)
        assert {p: (got.directory / p).read_bytes() for p in files} == files
        wrong = {**env, "AWS_SECRET_ACCESS_KEY": "wrong"}
        with pytest.raises(StartError, match="AWS_SECRET_ACCESS_KEY is not the secret"):
            weights.fetch(uri, tmp_path / "other", lambda: Store.from_env(wrong))
        unknown = {**env, "AWS_ACCESS_KEY_ID": "unknown"}
        with pytest.raises(StartError, match="the store does not know AWS_ACCESS_KEY_ID"):
            weights.fetch(uri, tmp_path / "other", lambda: Store.from_env(unknown))

    async def scenario() -> None:
        store = ObjectStore(config, RealClock())
        await store.start()
        try:
            await asyncio.to_thread(use)
        finally:
            await store.stop()

    asyncio.run(scenario())
