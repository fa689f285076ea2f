"""How a pod looks on the wire, and how what runs pods gets it."""

from decimal import Decimal
from typing import Any

from infra.localcloud.core.clock import Clock
from infra.localcloud.runpod.model import PodRecord, PodStatus, PodView
from infra.localcloud.runpod.rest.container import CONTAINER
from infra.localcloud.runpod.rest.times import timestamp

_SHOWN = ("id", "name", *CONTAINER, "mounts", "cloud", "dataCenterId", "template", "locked")


def actions(status: PodStatus) -> list[str]:
    """What the description allows in this state."""
    if status is PodStatus.RUNNING:
        return ["stop", "restart", "terminate"]
    if status in (PodStatus.EXITED, PodStatus.ERROR):
        return ["start", "terminate"]
    return ["stop", "terminate"]


def pod_view(pod: dict[str, Any], live: PodView, rates: dict[str, Decimal], clock: Clock) -> dict[str, Any]:
    """`Pod` of the description. `rates`: what it costs per second while it is not stopped."""
    stopped = live.status in (PodStatus.EXITED, PodStatus.ERROR, PodStatus.TERMINATED)
    view: dict[str, Any] = {name: pod[name] for name in (*_SHOWN, "gpu", "cpu", "cluster") if name in pod}
    return view | {
        "status": live.status.value,
        "actions": actions(live.status),
        "cudaVersion": None,
        "ssh": {"proxy": None, "direct": _ssh(live)},
        "cost": 0.0 if stopped else float(round(sum(rates.values(), Decimal(0)) * 3600, 6)),
        "globalNetworking": _global_network(pod),
        "runtime": _runtime(pod, live, clock.now()) if live.status is PodStatus.RUNNING else None,
        "createdAt": timestamp(pod["createdAt"]),
        "startedAt": None if live.started_at is None else timestamp(live.started_at),
    }


def pod_record(pod: dict[str, Any]) -> PodRecord:
    gpu, mounts = pod.get("gpu"), pod["mounts"]
    persistent, network = mounts.get("persistent"), mounts.get("network")
    return PodRecord(
        id=pod["id"],
        name=pod["name"],
        version=pod["version"],
        running=pod["running"],
        image=pod["image"],
        args=pod["args"],
        env=pod["injected"] | pod["env"],
        disk_gib=pod["disk"],
        ports=tuple(pod["ports"]),
        gpu_type_id=gpu["id"] if gpu else None,
        gpu_count=gpu["count"] if gpu else 0,
        cpu=(pod["cpu"],) if "cpu" in pod else (),
        data_center_id=pod["dataCenterId"],
        persistent=(persistent["size"], persistent["path"]) if persistent else None,
        network_volume=(network[0]["volumeId"], network[0]["path"]) if network else None,
        registry=pod["registry"],
    )


def _global_network(pod: dict[str, Any]) -> dict[str, Any]:
    if not pod["globalNetworking"]:
        return {"enabled": False}
    # All pods are on one machine, whose own address reaches them.
    return {"enabled": True, "ip": "127.0.0.1", "internalDns": f"{pod['id']}.runpod.internal"}


def _runtime(pod: dict[str, Any], live: PodView, now: float) -> dict[str, Any]:
    idle = {"util": 0}
    return {
        "uptime": max(0, int(now - (live.started_at or now))),
        "gpus": [{"util": 0, "memoryUtil": 0}] * pod.get("gpu", {}).get("count", 0),
        "cpu": idle,
        "memory": idle,
        "ports": [
            {
                "private": int(port.split("/")[0]),
                "public": public,
                "type": port.split("/")[1],
                "ip": "127.0.0.1",
            }
            for port, public in live.ports.items()
        ],
    }


def _ssh(live: PodView) -> dict[str, Any] | None:
    port = live.ports.get("22/tcp")
    if port is None or live.status is not PodStatus.RUNNING:
        return None
    command = f"ssh root@127.0.0.1 -p {port}"
    return {"host": "127.0.0.1", "port": port, "username": "root", "command": command}
