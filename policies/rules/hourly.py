"""What a resource costs an hour with all of its workers on, read from its inputs. Shared by the rules about money."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.catalog import Catalog, PriceMissing
from infra.planning.cost import monthly_range
from infra.planning.money import usd_per_worker_hour
from policies.rules.reading import known, settled
from policies.rules.rule import RUNPOD_ENDPOINT, RUNPOD_POD
from policies.rules.subject import Subject


@dataclass(frozen=True)
class Workers:
    """Workers that scale together: the property with their number, the most of them, US dollars an hour for each."""

    path: str
    most: int
    usd_per_hour: Decimal


def all_workers(subject: Subject) -> list[Workers]:
    """Raises `PriceMissing` for what has no price or no upper bound, `NotKnownYet` in a preview."""
    inputs, catalog = subject.inputs, subject.context.catalog
    if subject.type == RUNPOD_ENDPOINT:
        return [_endpoint(inputs, catalog)]
    if subject.type == RUNPOD_POD:
        return [_pod(inputs, catalog)]
    return list(_app(inputs, catalog))


def month_of(workers: Workers) -> Decimal:
    """US dollars for all of them in a month of 730 hours."""
    return monthly_range(
        usd_per_worker_hour=workers.usd_per_hour, workers_min=0, workers_max=workers.most
    ).ceiling


def ceiling_of(subject: Subject) -> Decimal:
    """US dollars for a month with every worker on. Raises as `all_workers` does."""
    return sum(map(month_of, all_workers(subject)), Decimal(0))


def _endpoint(inputs: Mapping[str, Any], catalog: Catalog) -> Workers:
    workers = settled(inputs.get("workers")) or {}
    most = workers.get("max")
    # left out, the cloud takes its own default: counting 0 would pass what costs money
    count = catalog.limit("runpod", "workers_max").default if most is None else most
    return Workers("workers.max", int(count or 0), _runpod_hour(inputs, catalog))


def _runpod_hour(inputs: Mapping[str, Any], catalog: Catalog) -> Decimal:
    """At the dearest card that the platform may place a worker on."""
    book = catalog.prices()
    gpu = settled(inputs.get("gpu"))
    if not gpu:
        vcpu = max((int(cpu.get("vcpuCount", 2)) for cpu in settled(inputs.get("cpu")) or ()), default=2)
        return usd_per_worker_hour("runpod", (), catalog, book, vcpu=vcpu)
    pools, excluded = gpu.get("pools") or (), set(gpu.get("excludedTypes") or ())
    types = [card for pool in pools for card in catalog.runpod_pools.get(pool, ()) if card not in excluded]
    classes = {found.name for card in types if (found := catalog.gpu_of_runpod_type(card))}
    if not classes:
        raise PriceMissing(
            f"pools {', '.join(gpu['pools'])} are not in the catalog", fix="name a pool it has"
        )
    return usd_per_worker_hour("runpod", classes, catalog, book, count=int(gpu.get("count") or 1))


def _pod(inputs: Mapping[str, Any], catalog: Catalog) -> Workers:
    """One machine, as long as it is wanted to run."""
    book = catalog.prices()
    if known(inputs.get("desiredState")) == "STOPPED":
        return Workers("desiredState", 0, Decimal(0))
    kind = "pod_community" if known(inputs.get("cloud")) == "COMMUNITY" else "pod_secure"
    gpu = settled(inputs.get("gpu"))
    if not gpu:
        cpu = settled(inputs.get("cpu")) or {}
        return Workers("cpu", 1, book.usd_per_vcpu_hour("runpod", kind) * int(cpu.get("vcpuCount", 2)))
    found = catalog.gpu_of_runpod_type(str(gpu.get("id")))
    if found is None:
        raise PriceMissing(f"GPU type {gpu.get('id')!r} is not in the catalog", fix="name one that it has")
    return Workers("gpu", 1, book.usd_per_gpu_hour("runpod", found.name, kind) * int(gpu.get("count") or 1))


def _app(inputs: Mapping[str, Any], catalog: Catalog) -> Iterator[Workers]:
    for kind in ("classes", "functions"):
        for name, service in (known(inputs.get(kind)) or {}).items():
            path = f"{kind}.{name}.maxContainers"
            most = known(known(service).get("maxContainers"))
            if most is None:
                raise PriceMissing(f"{path} is not set, so nothing bounds the bill", fix=f"set {path}")
            yield Workers(path, int(most), _modal_hour(service, catalog))


def _modal_hour(service: Mapping[str, Any], catalog: Catalog) -> Decimal:
    """The dearest GPU of the list, with cores, memory and the region on top."""
    book = catalog.prices()
    cores, memory = known(service.get("cpu")), known(service.get("memoryMib"))
    regions = known(service.get("regions")) or ()
    by_modal_id = {gpu.modal_id: gpu.name for gpu in catalog.gpus.values() if gpu.modal_id}
    lists: list[tuple[list[str], int]] = [
        ([by_modal_id.get(kind, kind)], int(count or 1))
        for kind, _, count in (str(gpu).partition(":") for gpu in settled(service.get("gpu")) or ())
    ]
    return max(
        usd_per_worker_hour(
            "modal",
            names,
            catalog,
            book,
            count=count,
            vcpu=2 * float(cores) if cores else None,
            memory_gib=float(memory) / 1024 if memory else None,
            regions=[str(known(region)) for region in regions],
            non_preemptible=bool(known(service.get("nonpreemptible"))),
        )
        for names, count in lists or [([], 1)]
    )
