"""What containers cost: GPU, cores and memory by the second, at the catalog's prices for Modal."""

from contextlib import suppress
from decimal import Decimal
from functools import cache

from infra import catalog
from infra.localcloud.core.meter import Price
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.runpod.model import Usage

PREFIX = "modal"
# What a function gets, and pays for, that asks for nothing (modal.com/docs/guide/resources, November 2026).
LEAST_MILLI_CPU, LEAST_MEMORY_MB = 125, 128

ALIASES = {"A100": "A100-40GB"}  # modal.com/docs/guide/gpu, November 2026


def usage(container: Container, now: float) -> Usage:
    """Of a container that has run since `started_at`. Its price is in the key that stands for a GPU type."""
    record = container.record
    resources = record.function.resources
    milli_cpu = max(resources.milli_cpu, LEAST_MILLI_CPU)
    memory_mb = max(resources.memory_mb, LEAST_MEMORY_MB)
    gpu = resources.gpu_config
    return Usage(
        endpoint_id=record.base_id or record.function_id,
        worker_id=container.id,
        gpu_type_id=f"{PREFIX}:{gpu.gpu_type}:{milli_cpu}:{memory_mb}",
        gpu_count=gpu.count if gpu.gpu_type else 0,
        vcpu=0,
        started_at=container.started_at,
        stopped_at=container.stopped_at or now,
        data={"app_id": record.app_id, "environment": container.environment, "version": record.version},
    )


def with_modal(others: Price) -> Price:
    """A meter's price list that knows Modal's containers beside the workers of others."""

    def price(gpu_type_id: str | None, gpu_count: int, vcpu: int) -> Decimal:
        if not of_modal(gpu_type_id):
            return others(gpu_type_id, gpu_count, vcpu)
        return sum(usd_per_second(str(gpu_type_id), gpu_count).values(), Decimal(0))

    return price


def of_modal(gpu_type_id: str | None) -> bool:
    return gpu_type_id is not None and gpu_type_id.startswith(f"{PREFIX}:")


@cache
def usd_per_second(gpu_type_id: str, gpu_count: int) -> dict[str, Decimal]:
    """What a container with this key (see `usage`) costs, by resource. A GPU type that the price book lacks costs
    nothing here."""
    prices = catalog.load().prices()
    _, gpu, milli_cpu, memory_mb = gpu_type_id.split(":")
    found = {
        "CPU": prices.usd_per_core_hour("modal") * int(milli_cpu) / 1000 / 3600,
        "Memory": prices.usd_per_gib_hour("modal") * int(memory_mb) / 1024 / 3600,
    }
    if gpu and gpu_count:
        with suppress(catalog.UnknownGpu, catalog.PriceMissing):
            found[f"GPU {gpu}"] = prices.usd_per_gpu_hour("modal", _class_of(gpu)) * gpu_count / 3600
    return found


def _class_of(gpu: str) -> str:
    """The catalog's name for what Modal, or a user, calls a GPU. Raises UnknownGpu."""
    facts, gpu = catalog.load(), ALIASES.get(gpu.upper(), gpu)
    own = [name for name, item in facts.gpus.items() if (item.modal_id or "").upper() == gpu.upper()]
    return own[0] if own else facts.gpu(gpu).name
