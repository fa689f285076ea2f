"""How endpoints, workers and releases look on the wire, and how the data plane gets an endpoint."""

from typing import Any

from infra.localcloud.runpod.model import EndpointRecord, ScalerType, WorkerStatus, WorkerView
from infra.localcloud.runpod.rest.merging import idle_timeout_applies
from infra.localcloud.runpod.rest.times import timestamp

_HIDDEN = ("version", "createdAt", "template", "flashEnvironmentId")


def endpoint_view(endpoint: dict[str, Any], base_url: str) -> dict[str, Any]:
    """`Endpoint` of the description: no version, no templateId, CUDA constraints always, exclusions only if any."""
    view = {name: value for name, value in endpoint.items() if name not in _HIDDEN}
    view["requestUrls"] = _request_urls(endpoint, base_url)
    view["createdAt"] = timestamp(endpoint["createdAt"])
    if "gpu" in view:
        view["gpu"] = {name: value for name, value in view["gpu"].items() if name != "excludedTypes" or value}
    if not idle_timeout_applies(endpoint):
        view["workers"] = {name: endpoint["workers"][name] for name in ("min", "max")}
    return view


def workers_view(endpoint: dict[str, Any], workers: list[WorkerView]) -> dict[str, Any]:
    counts = {status.value.lower(): sum(w.status is status for w in workers) for status in WorkerStatus}
    return {
        "endpointVersion": endpoint["version"],
        "summary": counts | {"total": len(workers)},
        "workers": [_worker_view(endpoint, worker) for worker in workers],
    }


def releases_view(
    endpoint: dict[str, Any], releases: list[dict[str, Any]], workers: list[WorkerView]
) -> dict[str, Any]:
    latest = sum(worker.version == endpoint["version"] for worker in workers)
    total = len(workers)
    return {
        "endpointVersion": endpoint["version"],
        "rollout": {
            "inProgress": latest < total,
            "workersOnLatest": latest,
            "workersTotal": total,
            "percentOnLatest": round(100 * latest / total) if total else 0,
        },
        "releases": [
            {
                "id": release["id"],
                "version": release["version"],
                "source": "MANUAL",
                "buildId": None,
                "createdByUserId": None,
                "workerCount": sum(worker.version == release["version"] for worker in workers),
                "createdAt": timestamp(release["createdAt"]),
                "diff": release["diff"],
            }
            for release in releases
        ],
    }


def record(endpoint: dict[str, Any]) -> EndpointRecord:
    scaling, workers, gpu = endpoint["scaling"], endpoint["workers"], endpoint.get("gpu")
    return EndpointRecord(
        id=endpoint["id"],
        name=endpoint["name"],
        type=endpoint["type"],
        version=endpoint["version"],
        image=endpoint["image"],
        args=endpoint["args"],
        env=dict(endpoint["env"]),
        scaler=ScalerType(scaling["type"]),
        scaler_value=float(scaling.get("queueDelay", scaling.get("requestCount", 0))),
        workers_min=workers["min"],
        workers_max=workers["max"],
        idle_timeout_s=workers["idleTimeout"],
        timeout_ms=endpoint["timeout"],
        flashboot=endpoint["flashboot"],
        gpu_pools=tuple(gpu["pools"]) if gpu else (),
        gpu_count=gpu["count"] if gpu else 0,
        cpu=tuple(endpoint.get("cpu", ())),
        data_center_ids=tuple(endpoint["dataCenterIds"]),
        excluded_types=tuple(gpu.get("excludedTypes", ())) if gpu else (),
        ports=tuple(endpoint["ports"]),
        network_volumes=tuple(endpoint["networkVolumes"]),
        registry=endpoint["registry"],
    )


def _worker_view(endpoint: dict[str, Any], worker: WorkerView) -> dict[str, Any]:
    placed = worker.status is not WorkerStatus.THROTTLED
    return {
        "id": worker.id,
        "status": worker.status.value,
        "isStale": worker.version != endpoint["version"],
        "version": worker.version,
        "gpuCount": worker.gpu_count,
        "image": worker.image,
        "uptimeSeconds": max(0, int(worker.uptime_s)) if placed else None,
        "gpuTypeId": worker.gpu_type_id if placed else None,
        "dataCenterId": worker.data_center_id if placed else None,
        "startedAt": timestamp(worker.started_at) if placed else None,
    }


def _request_urls(endpoint: dict[str, Any], base_url: str) -> dict[str, str]:
    if endpoint["type"] == "LOAD_BALANCER":
        # A host name per endpoint cannot stand on a loopback port; the path takes its place.
        base = f"{base_url}/lb/{endpoint['id']}"
        return {"base": base, "health": base + endpoint["env"].get("HEALTH_CHECK_PATH", "/ping")}
    jobs = f"{base_url}/v2/{endpoint['id']}"
    return {
        "run": f"{jobs}/run",
        "runSync": f"{jobs}/runsync",
        "status": f"{jobs}/status/{{job_id}}",
        "stream": f"{jobs}/stream/{{job_id}}",
        "cancel": f"{jobs}/cancel/{{job_id}}",
        "retry": f"{jobs}/retry/{{job_id}}",
        "purgeQueue": f"{jobs}/purge-queue",
        "health": f"{jobs}/health",
    }
