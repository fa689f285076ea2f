"""The environment of a worker: the platform's variables, the image's, the endpoint's, and nothing of the daemon's."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote_plus

from infra.localcloud.runpod.model import EndpointRecord
from infra.localcloud.runpod.workers.worker import Worker

INIT_TIMEOUT_S = (
    420  # a worker that has not asked for a job by then is unhealthy (RunPod's own limit, 7 minutes)
)
PING_INTERVAL_MS = 10_000
BASE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "NO_PROXY": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
    # The SDK logs at DEBUG unless told otherwise, which buries what the handler prints.
    "RUNPOD_LOG_LEVEL": "INFO",
    # Inputs and weights of this cloud live on 127.0.0.1, which the SDK's downloader refuses by default.
    "RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true",
    # The SDK's fitness checks want the internet, 4 GB of free memory and a GPU.
    "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
    "RUNPOD_SKIP_GPU_CHECK": "true",
}


def worker_environment(
    worker: Worker,
    own: Mapping[str, str],
    defaults: Mapping[str, str],
    base_url: str,
    volume_id: str | None = None,
) -> dict[str, str]:
    """`own` is the image's and the endpoint's, secrets put in. `defaults` come from the daemon (object store, weights cache); its AWS_ variables are left out when the image or
    the endpoint names any of their own."""
    record = worker.record
    names_storage = any(name.startswith("AWS_") for name in own)
    offered = {
        name: value for name, value in defaults.items() if not (names_storage and name.startswith("AWS_"))
    }
    temporary = worker.home.parent / "tmp"
    return {
        **BASE,
        **offered,
        **own,
        "HOME": str(worker.home),
        "TMPDIR": str(temporary),
        **_platform(worker, record),
        **({} if volume_id is None else {"RUNPOD_VOLUME_ID": volume_id}),
        **(_queue(worker, record, base_url) if worker.ports is None else _server(worker.ports)),
    }


def _platform(worker: Worker, record: EndpointRecord) -> dict[str, str]:
    return {
        "RUNPOD_POD_ID": worker.id,
        "RUNPOD_POD_HOSTNAME": f"{worker.id}-local",
        "RUNPOD_ENDPOINT_ID": record.id,
        "RUNPOD_AI_API_KEY": worker.token,
        "RUNPOD_INIT_TIMEOUT": str(INIT_TIMEOUT_S),
        "RUNPOD_DC_ID": worker.data_center_id,
        "RUNPOD_GPU_COUNT": str(record.gpu_count),
        "RUNPOD_CPU_COUNT": str(vcpus(record) or os.cpu_count() or 1),
    }


def _server(ports: tuple[int, int]) -> dict[str, str]:
    """Behind a load balancer. Workers of this machine share its ports, so each is given its own."""
    return {"PORT": str(ports[0]), "PORT_HEALTH": str(ports[1])}


def _queue(worker: Worker, record: EndpointRecord, base_url: str) -> dict[str, str]:
    root = f"{base_url}/v2/{record.id}"
    # The SDK appends "&…" to these addresses, so each must carry a query already.
    query = f"?gpu={quote_plus(worker.gpu_type_id or 'CPU')}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{root}/job-take/$ID{query}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{root}/job-done/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{root}/job-stream/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_PING": f"{root}/ping/$RUNPOD_POD_ID{query}",
        "RUNPOD_PING_INTERVAL": str(PING_INTERVAL_MS),
    }


def vcpus(record: EndpointRecord) -> int:
    return int(record.cpu[0].get("vcpuCount", 2)) if record.cpu else 0


def make_private(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
