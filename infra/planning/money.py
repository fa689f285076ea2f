"""What one worker costs an hour: the one place where prices of a worker are put together."""

from collections.abc import Iterable
from decimal import Decimal

from infra.catalog import Catalog, PriceBook
from infra.spec.endpoint import CpuSpec, EndpointSpec

_DEFAULT_VCPU = 2
"""Of an endpoint without a GPU that names none."""


def usd_per_worker_hour(
    cloud: str,
    gpus: Iterable[str],
    catalog: Catalog,
    book: PriceBook,
    *,
    count: int = 1,
    vcpu: float | None = None,
    memory_gib: float | None = None,
    regions: Iterable[str] = (),
    non_preemptible: bool = False,
) -> Decimal:
    """US dollars, at the dearest of the classes that it accepts. On Modal, cores and memory come on top (at least what a
    container is given that asks for nothing), and a region multiplies all of it, as does a container that is never
    moved. Raises `PriceMissing`, `UnknownGpu`."""
    names = [catalog.gpu(gpu).name for gpu in gpus]
    cards = max((book.usd_per_gpu_hour(cloud, name) for name in names), default=Decimal(0)) * count
    if cloud == "modal":
        extras = modal_extras(catalog, book, vcpu=vcpu, memory_gib=memory_gib)
        moved = book.multiplier("modal", "non_preemptible") if non_preemptible else Decimal(1)
        return (cards + extras) * book.region_multiplier("modal", regions) * moved
    if names:
        return cards
    return book.usd_per_vcpu_hour(cloud) * Decimal(str(vcpu or _DEFAULT_VCPU))


def usd_per_spec_hour(spec: EndpointSpec, catalog: Catalog, book: PriceBook) -> Decimal:
    """One worker of an endpoint whose cloud and GPU classes are named."""
    return usd_per_worker_hour(
        spec.cloud.value,
        spec.gpu if isinstance(spec.gpu, list) else (),
        catalog,
        book,
        count=spec.gpu_count,
        vcpu=None if spec.cpu is None else spec.cpu.vcpu,
        memory_gib=None if spec.cpu is None else spec.cpu.memory_gib,
        regions=spec.regions,
    )


def usd_per_container_hour(
    gpus: Iterable[str], count: int, cpu: CpuSpec | None, catalog: Catalog, book: PriceBook
) -> Decimal:
    """One container on Modal, anywhere."""
    return usd_per_worker_hour(
        "modal",
        gpus,
        catalog,
        book,
        count=count,
        vcpu=None if cpu is None else cpu.vcpu,
        memory_gib=None if cpu is None else cpu.memory_gib,
    )


def modal_extras(
    catalog: Catalog,
    book: PriceBook,
    *,
    vcpu: float | None = None,
    cores: float | None = None,
    memory_gib: float | None = None,
) -> Decimal:
    """Cores (physical; one is two vCPU) and memory of a container on Modal, in US dollars an hour."""
    if cores is None:
        cores = catalog.limit("modal", "cpu_cores").default if vcpu is None else vcpu / 2
    if memory_gib is None:
        memory_gib = catalog.limit("modal", "memory_gib").default
    by_core = book.usd_per_core_hour("modal") * Decimal(str(cores))
    return by_core + book.usd_per_gib_hour("modal") * Decimal(str(memory_gib))


def machine_usd_per_hour(
    cloud: str, gpu: str, kind: str, catalog: Catalog, book: PriceBook, *, count: int = 1
) -> Decimal:
    """A pod or another machine that is on for good. Raises `PriceMissing`."""
    return book.usd_per_gpu_hour(cloud, catalog.gpu(gpu).name, kind) * count
