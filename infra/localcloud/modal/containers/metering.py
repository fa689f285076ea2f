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
        if gpu_type_id is None or not gpu_type_id.startswith(f"{PREFIX}:"):
            return others(gpu_type_id, gpu_count, vcpu)
        _, gpu, milli_cpu, memory_mb = gpu_type_id.split(":")
        return usd_per_second(gpu, gpu_count, int(milli_cpu), int(memory_mb))

    return price


@cache
def usd_per_second(gpu: str, gpu_count: int, milli_cpu: int, memory_mb: int) -> Decimal:
    """A GPU type that the price book lacks costs nothing here."""
    prices = catalog.load().prices()
    hourly = prices.usd_per_core_hour("modal") * milli_cpu / 1000
    hourly += prices.usd_per_gib_hour("modal") * memory_mb / 1024
    if gpu and gpu_count:
        with suppress(catalog.UnknownGpu, catalog.PriceMissing):
            hourly += prices.usd_per_gpu_hour("modal", _class_of(gpu)) * gpu_count
    return hourly / 3600


def _class_of(gpu: str) -> str:
    """The catalog's name for what Modal, or a user, calls a GPU. Raises UnknownGpu."""
    facts, gpu = catalog.load(), ALIASES.get(gpu.upper(), gpu)
    own = [name for name, item in facts.gpus.items() if (item.modal_id or "").upper() == gpu.upper()]
    return own[0] if own else facts.gpu(gpu).name
