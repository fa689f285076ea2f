"""Cold start of `search` from zero workers, weights cached, by phase, beside `import runpod` alone in the same run.

    .venv/bin/python benchmarks/cold_start.py [--runs 5]

Builds the image of stacks/search as `pulumi up` does, unpacks it and starts the official worker in it, once per run.
Needs the model in .pilotlight/models/all-MiniLM-L6-v2 (set-up puts it there). Wanted: cold start <= import + 1 s.
"""

import argparse
import asyncio
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from infra.artifacts import recipe as recipes
from infra.artifacts.client import toolchain
from infra.artifacts.image_push import Builder
from infra.artifacts.oci.layers import LayerCache
from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import EndpointRecord, ScalerType, Usage
from infra.localcloud.runpod.workers import LocalFleet
from infra.localcloud.runpod.workers.images import ImageStore, UnpackedImage

ROOT = Path(__file__).parents[1]
MODEL = ROOT / ".pilotlight" / "models" / "all-MiniLM-L6-v2"
SLACK_S = 1.0
QUESTION = {
    "question": "how do I get my money back?",
    "sentences": ["refunds take five days", "the cat sleeps"],
}


class Unmetered:
    def record(self, usage: Usage) -> None:
        pass


class Built:
    """The layer cache of the build as the registry that holds one image."""

    def __init__(self, layers: LayerCache, manifest: bytes, config: bytes) -> None:
        self._layers, self._manifest = layers, manifest
        digest = "sha256:" + hashlib.sha256(config).hexdigest()
        self._config = digest, layers.blob(digest)
        self._config[1].write_bytes(config)

    def manifest(self, repo: str, reference: str) -> tuple[str, bytes] | None:
        return "application/vnd.oci.image.manifest.v1+json", self._manifest

    def blob_path(self, digest: str) -> Path | None:
        path = self._layers.blob(digest)
        return path if path.exists() else None


async def main(runs: int, model: Path) -> int:
    if not (model / "model.safetensors").is_file():
        print(f"{model} holds no model: run `make up` once")
        return 2
    with tempfile.TemporaryDirectory(prefix="pilotlight-cold-") as folder:
        directory = Path(folder)
        images = await build(directory)
        server = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        app = web.Application()
        weights = stage(app, model)
        store = Store(directory / "state.sqlite")
        defaults = {
            "AWS_ENDPOINT_URL_S3": f"{url}/s3",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "PILOTLIGHT_CACHE": str(directory / "host-cache"),
        }
        fleet = LocalFleet(
            RealClock(),
            images,
            Unmetered(),
            store,
            url,
            Settings(),
            directory / "fleet",
            "key",
            worker_env=defaults,
        )
        app.add_routes(fleet.routes())
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, server).start()
        try:
            return await measure(fleet, images, url, weights, runs)
        finally:
            await fleet.close()
            await runner.cleanup()
            store.close()


async def build(directory: Path) -> ImageStore:
    recipe = recipes.read(
        ROOT,
        handler="stacks/search",
        template="runpod",
        packages=None,
        packages_file=None,
        python=None,
        base=None,
        env={},
        files={},
    )
    if recipe.problems:
        raise SystemExit(f"stacks/search cannot be built: {recipe.problems}")
    layers = LayerCache(ROOT / ".pilotlight" / "cache" / "layers")
    builder = Builder(layers, directory / "uploads", toolchain(ROOT), lambda text: None, lambda host: None)
    started = time.monotonic()
    image = await builder.image(recipe)
    print(f"image built in {time.monotonic() - started:.2f} s ({image.size_bytes / 1e6:.1f} MB)")
    return ImageStore(Built(layers, image.manifest, image.config), directory / "images")


def stage(app: web.Application, model: Path) -> str:
    """Serves the model as a bucket would; returns the address of its manifest."""
    files = []
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        name = path.relative_to(model).as_posix()
        files.append(
            {"path": name, "size": len(content), "sha256": digest, "key": f"weights/blobs/sha256/{digest}"}
        )
    listing = json.dumps(
        [[f["path"], f["size"], f["sha256"]] for f in files], sort_keys=True, separators=(",", ":")
    )
    digest = hashlib.sha256(listing.encode()).hexdigest()
    manifest = {"version": 1, "digest": f"sha256:{digest}", "files": files}
    key = f"weights/manifests/sha256-{digest}.json"
    paths = {file["key"]: model / str(file["path"]) for file in files}

    async def get(request: web.Request) -> web.StreamResponse:
        if request.match_info["key"] == key:
            return web.Response(text=json.dumps(manifest, sort_keys=True, separators=(",", ":")))
        return web.FileResponse(paths[request.match_info["key"]])

    app.router.add_get("/s3/bucket/{key:.+}", get)
    return f"s3://bucket/{key}"


async def measure(fleet: LocalFleet, images: ImageStore, url: str, weights: str, runs: int) -> int:
    record = EndpointRecord(
        id="search00000000",
        name="search",
        type="QUEUE",
        version=1,
        image="registry.pilotlight.internal/search:latest",
        args="",
        env={"PILOTLIGHT_WEIGHTS": weights},
        scaler=ScalerType.QUEUE_DELAY,
        scaler_value=4.0,
        workers_min=0,
        workers_max=1,
        idle_timeout_s=1,
        timeout_ms=0,
        flashboot="OFF",
    )
    started = time.monotonic()
    image = await images.resolve(record.image)
    print(f"unpacked in {time.monotonic() - started:.2f} s, under {image.python.resolve()}")
    await fleet.apply(record)
    totals, imports = [], []
    async with aiohttp.ClientSession(headers={"Authorization": "key"}) as session:
        for run in range(runs + 1):
            alone = await asyncio.to_thread(import_alone, image, fleet)
            total, phases = await cold(fleet, session, f"{url}/v2/{record.id}/runsync?wait=60000", record.id)
            label = "weights fetched, not counted" if run == 0 else f"run {run}"
            print(f"{label}: {total:.2f} s  import runpod alone {alone:.2f} s  {phases}")
            if run:
                totals.append(total)
                imports.append(alone)
    total, alone = statistics.median(totals), statistics.median(imports)
    verdict = "within" if total <= alone + SLACK_S else "MISSED"
    print(
        f"median: cold start {total:.2f} s, import runpod alone {alone:.2f} s, difference {total - alone:+.2f} s"
    )
    print(f"{verdict}: cold start <= import runpod + {SLACK_S:g} s")
    return 0 if verdict == "within" else 1


def import_alone(image: UnpackedImage, fleet: LocalFleet) -> float:
    env = {**image.env, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    started = time.monotonic()
    subprocess.run([str(image.python), "-c", "import runpod"], env=env, cwd=image.cwd, check=True)
    return time.monotonic() - started


async def cold(
    fleet: LocalFleet, session: aiohttp.ClientSession, url: str, endpoint: str
) -> tuple[float, str]:
    """Seconds of one request that finds no worker, and where they went; returns when there is none again."""
    asked, started = time.time(), time.monotonic()
    async with session.post(url, json={"input": QUESTION}) as response:
        answer: dict[str, Any] = await response.json()
    total = time.monotonic() - started
    if answer["status"] != "COMPLETED":
        raise SystemExit(f"the call failed: {answer} {fleet.workers(endpoint)}")
    lines = [
        line async for line in fleet.logs(endpoint, answer["workerId"], tail=500, after=None, follow=True)
    ]
    marks = {line.line.split()[0]: line.ts for line in lines if line.source == "system"}
    reports = [json.loads(line.line)["pilotlight"] for line in lines if line.line.startswith('{"pilotlight"')]
    inside = ", ".join(f"{report['phase']} {report['seconds']:.2f}" for report in reports)
    waited = (
        f"to start {marks['starting'] - asked:.2f}, to first take {marks['ready:'] - marks['starting']:.2f}"
    )
    return total, f"[{waited}; {inside}; job {answer['executionTime'] / 1000:.2f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", type=Path, default=MODEL)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.runs, options.model)))
