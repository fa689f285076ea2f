"""What one worker of a declaration costs an hour, at the dearest GPU class that it accepts. Pure."""

from decimal import Decimal

from infra.catalog import Catalog, PriceBook
from infra.spec.declarations import Cloud, CpuSpec, EndpointSpec


def usd_per_worker_hour(spec: EndpointSpec, catalog: Catalog, book: PriceBook) -> Decimal:
    """US dollars. On Modal, cores and memory come on top of the GPU. Raises `PriceMissing`."""
    cloud = spec.cloud.value
    gpus = spec.gpu if isinstance(spec.gpu, list) else []
    if spec.cloud is Cloud.MODAL:
        return usd_per_container_hour(gpus, spec.gpu_count, spec.cpu, catalog, book)
    if gpus:
        return _dearest(cloud, gpus, catalog, book) * spec.gpu_count
    return book.usd_per_vcpu_hour(cloud) * (spec.cpu or CpuSpec()).vcpu


def usd_per_container_hour(
    gpus: list[str], count: int, cpu: CpuSpec | None, catalog: Catalog, book: PriceBook
) -> Decimal:
    """US dollars for one container on Modal: the dearest of `gpus`, with cores and memory on top."""
    return _dearest("modal", gpus, catalog, book) * count + _modal_extras(cpu, catalog, book)


def _dearest(cloud: str, gpus: list[str], catalog: Catalog, book: PriceBook) -> Decimal:
    return max((book.usd_per_gpu_hour(cloud, catalog.gpu(name).name) for name in gpus), default=Decimal(0))


def _modal_extras(cpu: CpuSpec | None, catalog: Catalog, book: PriceBook) -> Decimal:
    cores = Decimal(str(catalog.limit("modal", "cpu_cores").default))
    memory = Decimal(str(catalog.limit("modal", "memory_gib").default))
    if cpu is not None:
        cores = Decimal(cpu.vcpu) / 2
        memory = Decimal(str(cpu.memory_gib)) if cpu.memory_gib is not None else memory
    return book.usd_per_core_hour("modal") * cores + book.usd_per_gib_hour("modal") * memory
