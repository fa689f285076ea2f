"""What a worker is billed for, told to the meter now and then, so that a killed daemon forgets little."""

from functools import partial

from infra.localcloud.runpod.model import Usage
from infra.localcloud.runpod.workers.env import vcpus
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.worker import Phase, Worker

BILL_S = 60.0


def bill(worker: Worker, platform: Platform) -> None:
    """Now, and every minute until it is gone."""
    if worker.phase is not Phase.GONE:
        platform.meter.record(usage(worker, platform.clock.now()))
        platform.timers.after(BILL_S, partial(bill, worker, platform))


def usage(worker: Worker, now: float) -> Usage:
    """From the start of its process until now."""
    record = worker.record
    return Usage(
        endpoint_id=record.id,
        worker_id=worker.id,
        gpu_type_id=worker.gpu_type_id,
        gpu_count=record.gpu_count,
        vcpu=vcpus(record),
        started_at=worker.started_at if worker.started_at is not None else now,
        stopped_at=now,
    )
