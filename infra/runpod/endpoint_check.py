"""What an endpoint's types cannot say: every rule across fields, and every name that the catalog knows."""

from collections.abc import Iterator
from typing import Any, TypeGuard, TypeVar

from infra.catalog import Catalog, load
from infra.catalog.model import squeeze
from infra.kit import CheckContext, Failure
from infra.runpod.endpoint_model import (
    EndpointCpu,
    EndpointGpu,
    EndpointInputs,
    EndpointScaling,
    EndpointType,
    ScalingType,
)
from infra.runpod.endpoint_wire import MARK_KEY
from infra.spec.findings import UNKNOWN
from infra.spec.nearest import nearest

T = TypeVar("T")


def failures(ctx: CheckContext, inputs: EndpointInputs) -> list[Failure]:
    catalog = load()
    return [
        *_kind(inputs),
        *_compute(inputs),
        *(_gpu(inputs.gpu, catalog) if _is_known(inputs.gpu) else []),
        *(_cpus(inputs.cpu, catalog) if _is_known(inputs.cpu) else []),
        *(_scaling(inputs.scaling, catalog) if _is_known(inputs.scaling) else []),
        *(_workers(ctx, inputs, catalog) if _is_known(inputs.workers) else []),
        # 0 is what RunPod stores where nobody gave a timeout: its own default then rules.
        *(_range(catalog, "timeoutMs", inputs.timeout_ms, "timeout_ms") if inputs.timeout_ms != 0 else []),
        *_range(catalog, "disk", inputs.disk, "disk_gb"),
        *_container(inputs),
    ]


def _kind(inputs: EndpointInputs) -> Iterator[Failure]:
    if inputs.type is EndpointType.LOAD_BALANCER:
        yield Failure("type", 'found "LOAD_BALANCER". Wanted: "QUEUE", the type that this version deploys')
    if inputs.name == "":
        yield Failure("name", "the name is empty. Wanted: a name, or none to have one generated")


def _compute(inputs: EndpointInputs) -> Iterator[Failure]:
    if inputs.gpu is not None and inputs.cpu is not None:
        yield Failure("cpu", "both gpu and cpu are given. Wanted: exactly one of them. Fix: remove the other")
    if inputs.gpu is None and inputs.cpu is None:
        yield Failure(
            "gpu", 'neither gpu nor cpu is given. Wanted: one, such as gpu={"pools": ["AMPERE_24"]}'
        )


def _gpu(gpu: EndpointGpu, catalog: Catalog) -> Iterator[Failure]:
    pools = _known_items(gpu.pools)
    if gpu.pools == []:
        yield Failure(
            "gpu.pools", f"no pool is given. Wanted: one or more of {', '.join(catalog.runpod_pools)}"
        )
    for index, pool in pools:
        if pool not in catalog.runpod_pools:
            yield Failure(f"gpu.pools[{index}]", _unknown_pool(pool, catalog))
    # While a pool is unknown, an excluded type may well be in it.
    if (
        _is_known(gpu.pools)
        and len(pools) == len(gpu.pools)
        and all(p in catalog.runpod_pools for _, p in pools)
    ):
        yield from _exclusions(gpu, [pool for _, pool in pools], catalog)
    yield from _range(catalog, "gpu.count", gpu.count, "gpu_count")
    for index, version in _known_items(gpu.allowed_cuda_versions):
        if not _is_version(version):
            yield Failure(f"gpu.allowedCudaVersions[{index}]", _bad_version(version))
    floor = gpu.min_cuda_version
    if _is_known(floor):
        if not _is_version(floor):
            yield Failure("gpu.minCudaVersion", _bad_version(floor))
        if gpu.allowed_cuda_versions:
            yield Failure(
                "gpu.minCudaVersion",
                "given together with allowedCudaVersions. Wanted: a lowest version or an exact set, not both",
            )


def _exclusions(gpu: EndpointGpu, pools: list[str], catalog: Catalog) -> Iterator[Failure]:
    types = [card for pool in pools for card in catalog.runpod_pools[pool]]
    excluded = _known_items(gpu.excluded_types)
    for index, name in excluded:
        if squeeze(name) not in types:
            found = catalog.gpus.get(name)
            hint = (
                [card for card in found.runpod_type_ids if card in types]
                if found
                else nearest(name, types, 2)
            )
            known = f"did you mean {' or '.join(hint)}?" if hint else f"the pools hold {', '.join(types)}"
            yield Failure(
                f"gpu.excludedTypes[{index}]",
                f'"{name}" is not a GPU type of {", ".join(pools)}. Fix: {known}',
            )
    if types and set(types) <= {squeeze(name) for _, name in excluded}:
        yield Failure(
            "gpu.excludedTypes", f"every GPU type of {', '.join(pools)} is excluded. Wanted: one left"
        )


def _unknown_pool(pool: str, catalog: Catalog) -> str:
    found = catalog.gpus.get(pool)
    if found is not None and found.runpod_pool:
        selection = catalog.runpod_selection([pool])
        return (
            f'"{pool}" is a GPU class, not a pool. Wanted: pools ["{found.runpod_pool}"] with excludedTypes '
            f"{list(selection.excluded_types)}"
        )
    if found is not None:
        return f'"{pool}" is a GPU class. {found.runpod_reason}'
    hint = nearest(pool, catalog.runpod_pools, 2)
    fix = f"did you mean {' or '.join(hint)}?" if hint else f"the pools are {', '.join(catalog.runpod_pools)}"
    return f'"{pool}" is not a GPU pool of RunPod. Fix: {fix}'


def _cpus(cpus: list[EndpointCpu], catalog: Catalog) -> Iterator[Failure]:
    if not cpus:
        yield Failure(
            "cpu", 'no CPU configuration is given. Wanted: one, such as {"id": "cpu5c", "vcpuCount": 2}'
        )
    seen: set[tuple[Any, Any]] = set()
    for index, cpu in _known_items(cpus):
        path = f"cpu[{index}]"
        if _is_known(cpu.id) and cpu.id not in catalog.cpu_flavors:
            hint = nearest(cpu.id, catalog.cpu_flavors, 2) or list(catalog.cpu_flavors)
            yield Failure(
                f"{path}.id",
                f'"{cpu.id}" is not a CPU flavor of RunPod. Fix: did you mean {" or ".join(hint)}?',
            )
        count = cpu.vcpu_count
        if _is_known(count):
            if count > 0 and count & (count - 1):
                yield Failure(f"{path}.vcpuCount", f"found {count}. Wanted: a power of two")
            yield from _range(catalog, f"{path}.vcpuCount", count, "vcpu_count")
        if _is_known(cpu.id) and _is_known(count):
            if (cpu.id, count) in seen:
                yield Failure(path, f"{cpu.id} with {count} vCPU is listed twice. Fix: remove one")
            seen.add((cpu.id, count))


def _scaling(scaling: EndpointScaling, catalog: Catalog) -> Iterator[Failure]:
    yield from _range(catalog, "scaling.queueDelay", scaling.queue_delay, "queue_delay_s")
    yield from _range(catalog, "scaling.requestCount", scaling.request_count, "request_count")
    if scaling.type is ScalingType.QUEUE_DELAY and scaling.request_count is not None:
        yield Failure(
            "scaling.requestCount", "has no effect with QUEUE_DELAY. Fix: remove it, or use REQUEST_COUNT"
        )
    if scaling.type is ScalingType.REQUEST_COUNT and scaling.queue_delay is not None:
        yield Failure(
            "scaling.queueDelay", "has no effect with REQUEST_COUNT. Fix: remove it, or use QUEUE_DELAY"
        )


def _workers(ctx: CheckContext, inputs: EndpointInputs, catalog: Catalog) -> Iterator[Failure]:
    workers = inputs.workers
    yield from _range(catalog, "workers.min", workers.min, "workers_min")
    yield from _range(catalog, "workers.max", workers.max, "workers_max")
    if ctx.known(workers.min, workers.max) and workers.max < workers.min:
        yield Failure("workers.max", f"found {workers.max}. Wanted: at least workers.min ({workers.min})")
    yield from _range(catalog, "workers.idleTimeout", workers.idle_timeout, "idle_timeout_s")
    if workers.idle_timeout is None or not ctx.known(inputs.scaling):
        return
    if inputs.scaling.type is ScalingType.REQUEST_COUNT:
        lacking = catalog.capability("runpod", "idle_timeout_s:request_count")
        yield Failure("workers.idleTimeout", f"{lacking.reason}. Fix: {lacking.alternative}")


def _container(inputs: EndpointInputs) -> Iterator[Failure]:
    if inputs.image == "":
        yield Failure("image", "the image is empty. Wanted: a reference such as registry/name@sha256:…")
    if _is_known(inputs.env) and MARK_KEY in inputs.env:
        yield Failure(
            f"env.{MARK_KEY}", "this variable is how the provider recognises its endpoint. Fix: remove it"
        )


def _range(catalog: Catalog, path: str, value: Any, limit: str) -> Iterator[Failure]:
    """Nothing for what is unset or unknown."""
    if not _is_known(value):
        return
    allowed = catalog.limit("runpod", limit)
    if not allowed.allows(value):
        yield Failure(path, f"found {value:.15g}. Wanted: {allowed.range}")


def _is_known(value: T | None) -> TypeGuard[T]:
    """Given, and not waiting for another resource."""
    return value is not None and value is not UNKNOWN


def _known_items(values: Any) -> list[tuple[int, Any]]:
    """The known items of a list that may be unknown itself, with their places."""
    return (
        [(i, value) for i, value in enumerate(values) if _is_known(value)] if isinstance(values, list) else []
    )


def _is_version(text: str) -> bool:
    major, dot, minor = text.partition(".")
    return bool(dot) and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()


def _bad_version(text: str) -> str:
    return f'"{text}" is not a CUDA version. Wanted: major.minor, such as 12.8'
