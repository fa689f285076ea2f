"""What one worker of a declaration costs an hour, at the dearest GPU class that it accepts. Pure."""

from decimal import Decimal

from infra.catalog import Catalog, PriceBook
from infra.spec.declarations import Cloud, CpuSpec, EndpointSpec


def usd_per_worker_hour(spec: EndpointSpec, catalog: Catalog, book: PriceBook) -> Decimal:
    """US dollars. On Modal, cores and memory come on top of the GPU. Raises `PriceMissing`."""
    cloud = spec.cloud.value
    gpus = spec.gpu if isinstance(spec.gpu, list) else []
    prices = [book.usd_per_gpu_hour(cloud, catalog.gpu(name).name) for name in gpus]
    gpu = max(prices, default=Decimal(0)) * spec.gpu_count
    if spec.cloud is Cloud.MODAL:
        return gpu + _modal_extras(spec.cpu, catalog, book)
    if prices:
        return gpu
    return book.usd_per_vcpu_hour(cloud) * (spec.cpu or CpuSpec()).vcpu


def _modal_extras(cpu: CpuSpec | None, catalog: Catalog, book: PriceBook) -> Decimal:
    cores = Decimal(str(catalog.limit("modal", "cpu_cores").default))
    memory = Decimal(str(catalog.limit("modal", "memory_gib").default))
    if cpu is not None:
        cores = Decimal(cpu.vcpu) / 2
        memory = Decimal(str(cpu.memory_gib)) if cpu.memory_gib is not None else memory
    return book.usd_per_core_hour("modal") * cores + book.usd_per_gib_hour("modal") * memory
