"""Pods and network volumes, as the page and `pilotlight cloud status` show them."""

import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from .assembly import Cloud


@dataclass(frozen=True)
class PodRow:
    """`usd` is what it has cost so far, as text. `ports`: declared port -> where it is reached on this machine."""

    id: str
    name: str
    image: str
    status: str
    hardware: str
    data_center: str
    ports: dict[str, str]
    reason: str
    usd: str


@dataclass(frozen=True)
class VolumeRow:
    id: str
    name: str
    size_gb: int
    data_center: str
    path: str
    usd: str


def pods(cloud: Cloud) -> list[PodRow]:
    """Oldest first."""
    book, spent = cloud.service.pods, costs(cloud, "pod")
    rows = []
    for pod in book.rows.all():
        live, gpu = book.view(pod), pod.get("gpu")
        ended = f"exit code {live.exit_code}" if live.exit_code is not None else ""
        rows.append(
            PodRow(
                id=pod["id"],
                name=pod["name"],
                image=pod["image"],
                status=live.status.value,
                hardware=f"{gpu['count']} x {gpu['id']}" if gpu else f"{pod['cpu']['vcpuCount']} vCPU",
                data_center=pod["dataCenterId"],
                ports={declared: f"127.0.0.1:{port}" for declared, port in live.ports.items()},
                reason=live.reason or ended,
                usd=f"{spent[pod['id']]:.4f}",
            )
        )
    return rows


def volumes(cloud: Cloud) -> list[VolumeRow]:
    spent = costs(cloud, "volume")
    return [
        VolumeRow(
            id=volume["id"],
            name=volume["name"],
            size_gb=volume["size"],
            data_center=volume["dataCenter"],
            path=str(cloud.paths.volumes / volume["id"]),
            usd=f"{spent[volume['id']]:.4f}",
        )
        for volume in cloud.service.volumes.rows.all()
    ]


def costs(cloud: Cloud, kind: str) -> defaultdict[str, Decimal]:
    """By id, deleted ones included. `kind`: "pod", "volume" or "cluster"."""
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    for span in cloud.service.ledger.spans(kind, 0.0, math.inf):
        spent[span.id] += sum(span.rates.values(), Decimal(0)) * Decimal(str(round(span.end - span.start, 3)))
    return spent


def total_usd(cloud: Cloud) -> Decimal:
    return sum(
        (usd for kind in ("pod", "volume", "cluster") for usd in costs(cloud, kind).values()), Decimal(0)
    )
