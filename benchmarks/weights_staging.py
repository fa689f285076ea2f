"""Weights into a bucket: ours beside boto3's `upload_file` with the same parts, same server, same run.

    .venv/bin/python benchmarks/weights_staging.py [--mib 512] [--runs 3]

Ours also hashes while it reads, checks each file's header, keeps a journal and writes a manifest; boto3 only sends.
Needs versitygw (set-up builds it). The ratio is what counts: the server shares this machine's cores.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from infra.artifacts import staging
from infra.artifacts.hashing import HashCache
from infra.artifacts.scan import scan
from infra.artifacts.store import ObjectStore, StoreSettings
from infra.artifacts.upload import MIN_PART

ROOT = Path(__file__).parents[1]
MIB = 1 << 20


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--mib", type=int, default=512)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilotlight-staging-") as folder:
        work = Path(folder)
        weights = write_weights(work / "weights", given.mib)
        server, settings = start_server(work / "s3")
        try:
            compare(work, weights, settings, given.mib, given.runs)
        finally:
            server.terminate()
            server.wait()


def compare(work: Path, weights: Path, settings: StoreSettings, mib: int, runs: int) -> None:
    found = scan(weights, ["*"], [])
    manifest = found.manifest(HashCache(None))
    store = ObjectStore(settings)
    asyncio.run(store.call("list_buckets"))
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        region_name=settings.region,
        config=Config(s3={"addressing_style": "path"}),
    )

    async def ours(bucket: str) -> None:
        await staging.stage(
            store,
            bucket,
            manifest,
            found.files,
            status=lambda text: None,
            journals=work / "journal",
        )

    def theirs(bucket: str) -> None:
        transfer = TransferConfig(
            multipart_threshold=MIN_PART, multipart_chunksize=MIN_PART, max_concurrency=4
        )
        for name, path in found.files.items():
            client.upload_file(str(path), bucket, name, Config=transfer)

    times: dict[str, list[float]] = {"ours": [], "boto3 upload_file": [], "ours, nothing changed": []}
    for number in range(runs):
        for who, work_once in (
            ("ours", lambda bucket: asyncio.run(ours(bucket))),
            ("boto3 upload_file", theirs),
        ):
            bucket = f"run-{number}-{'ours' if who == 'ours' else 'boto3'}"
            client.create_bucket(Bucket=bucket)
            times[who].append(timed(work_once, bucket))
            if who == "ours":
                times["ours, nothing changed"].append(timed(work_once, bucket))
            shutil.rmtree(work / "s3" / bucket)
    for who, taken in times.items():
        best, middle = min(taken), statistics.median(taken)
        print(
            f"{who:24} best {best:6.2f} s  median {middle:6.2f} s  {mib * MIB / 1e6 / best:8.0f} MB/s at best"
        )
    print(f"ratio ours / boto3, best of {runs}: {min(times['ours']) / min(times['boto3 upload_file']):.2f}")


def timed(work: Callable[[str], Any], bucket: str) -> float:
    began = time.perf_counter()
    work(bucket)
    return time.perf_counter() - began


def write_weights(folder: Path, mib: int) -> Path:
    """Four shards of random bytes."""
    folder.mkdir()
    size = mib * MIB // 4
    for shard in range(1, 5):
        header = json.dumps(
            {f"t{shard}": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
        ).encode()
        with (folder / f"model-{shard:05}-of-00004.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
            file.write(os.urandom(size % MIB))
    return folder


def start_server(root: Path) -> tuple[subprocess.Popen[bytes], StoreSettings]:
    noted = json.loads((ROOT / ".pilotlight" / "toolchain.json").read_text())
    root.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [noted["versitygw"], "--port", f"127.0.0.1:{port}", "posix", str(root)],
        env={"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": "bench", "ROOT_SECRET_KEY": "bench-secret"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server, StoreSettings(
                f"http://127.0.0.1:{port}", "us-east-1", "bench", "bench-secret", local=True
            )
        except OSError:
            time.sleep(0.02)
    sys.exit("versitygw does not start")


if __name__ == "__main__":
    main()
