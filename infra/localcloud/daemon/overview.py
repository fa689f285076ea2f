"""What the cloud has running, as the page and `pilotlight cloud status` show it."""

from dataclasses import dataclass
from decimal import Decimal

from . import podview
from .assembly import Cloud


@dataclass(frozen=True)
class WorkerRow:
    id: str
    status: str
    hardware: str
    uptime_s: int
    release: int
    reason: str


@dataclass(frozen=True)
class EndpointRow:
    """`usd` is what it has cost so far at the catalog's prices, as text: JSON has no decimals."""

    id: str
    name: str
    image: str
    workers_min: int
    workers_max: int
    in_queue: int
    in_progress: int
    completed: int
    failed: int
    worker_seconds: int
    usd: str
    workers: list[WorkerRow]


def endpoints(cloud: Cloud) -> list[EndpointRow]:
    """Oldest first."""
    spend = cloud.meter.spend()
    rows = []
    for endpoint in cloud.store.endpoints():
        jobs = cloud.fleet.jobs(endpoint["id"])
        spent = spend.get(endpoint["id"])
        rows.append(
            EndpointRow(
                id=endpoint["id"],
                name=endpoint["name"],
                image=endpoint["image"],
                workers_min=endpoint["workers"]["min"],
                workers_max=endpoint["workers"]["max"],
                in_queue=jobs.in_queue,
                in_progress=jobs.in_progress,
                completed=jobs.completed,
                failed=jobs.failed,
                worker_seconds=spent.seconds if spent else 0,
                usd=money(spent.usd if spent else Decimal(0)),
                workers=_workers(cloud, endpoint["id"]),
            )
        )
    return rows


def total_usd(cloud: Cloud) -> str:
    """All that ever was: endpoints, pods, volumes, Modal's containers."""
    workers = sum((spend.usd for spend in cloud.meter.spend().values()), Decimal(0))
    return money(workers + podview.total_usd(cloud))


def money(usd: Decimal) -> str:
    return f"{usd:.4f}"


def _workers(cloud: Cloud, endpoint_id: str) -> list[WorkerRow]:
    return [
        WorkerRow(
            id=worker.id,
            status=worker.status.value,
            hardware=f"{worker.gpu_count} x {worker.gpu_type_id}" if worker.gpu_type_id else "CPU",
            uptime_s=int(worker.uptime_s),
            release=worker.version,
            reason=worker.reason,
        )
        for worker in cloud.fleet.workers(endpoint_id)
    ]
