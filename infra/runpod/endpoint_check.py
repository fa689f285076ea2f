"""What an endpoint's types cannot say: every rule across fields, and every name that the catalog knows."""

from collections.abc import Iterator
from typing import Any

from infra.catalog import Catalog, load
from infra.catalog.model import squeeze
from infra.kit import CheckContext, Failure
from infra.runpod import endpoint_place, known
from infra.runpod.endpoint_model import (
    ComputeFamily,
    EndpointCpu,
    EndpointGpu,
    EndpointInputs,
    EndpointScaling,
    EndpointType,
    ScalingType,
)
from infra.spec.nearest import nearest


def failures(ctx: CheckContext, inputs: EndpointInputs) -> list[Failure]:
    catalog = load()
    return [
        *known.name(inputs.name),
        *_compute(inputs),
        *(_gpu(inputs.gpu, catalog) if known.is_known(inputs.gpu) else []),
        *(_cpus(inputs.cpu, catalog) if known.is_known(inputs.cpu) else []),
        *(_scaling(inputs, inputs.scaling, catalog) if known.is_known(inputs.scaling) else []),
        *(_workers(ctx, inputs, catalog) if known.is_known(inputs.workers) else []),
        # 0 is what RunPod stores where nobody gave a timeout: its own default then rules.
        *(
            known.in_range(catalog, "timeoutMs", inputs.timeout_ms, "timeout_ms")
            if inputs.timeout_ms != 0
            else []
        ),
        *known.in_range(catalog, "disk", inputs.disk, "disk_gb"),
        *known.container(inputs),
        *endpoint_place.failures(inputs, catalog),
    ]


def say_replacement(ctx: CheckContext, family: ComputeFamily, inputs: EndpointInputs) -> None:
    """That a switch which looks like an edit makes a new endpoint, with another URL."""
    before, kind = ctx.olds.get("computeFamily"), ctx.olds.get("type", EndpointType.QUEUE.value)
    if before is not None and before != family.value:
        ctx.warn(
            f"{before} -> {family.value}: RunPod cannot change an endpoint between GPU and CPU, so a new one takes its place, "
            "with another id and URL"
        )
    if ctx.olds and isinstance(inputs.type, EndpointType) and kind != inputs.type.value:
        ctx.warn(
            f"{kind} -> {inputs.type.value}: RunPod cannot change an endpoint's type, so a new one takes its place, with "
            "another id and URL"
        )


def _compute(inputs: EndpointInputs) -> Iterator[Failure]:
    if inputs.gpu is not None and inputs.cpu is not None:
        yield Failure("cpu", "both gpu and cpu are given. Wanted: exactly one of them. Fix: remove the other")
    if inputs.gpu is None and inputs.cpu is None:
        yield Failure(
            "gpu", 'neither gpu nor cpu is given. Wanted: one, such as gpu={"pools": ["AMPERE_24"]}'
        )


def _gpu(gpu: EndpointGpu, catalog: Catalog) -> Iterator[Failure]:
    pools = known.known_items(gpu.pools)
    if gpu.pools == []:
        yield Failure(
            "gpu.pools", f"no pool is given. Wanted: one or more of {', '.join(catalog.runpod_pools)}"
        )
    for index, pool in pools:
        if pool not in catalog.runpod_pools:
            yield Failure(f"gpu.pools[{index}]", _unknown_pool(pool, catalog))
    # While a pool is unknown, an excluded type may well be in it.
    if (
        known.is_known(gpu.pools)
        and len(pools) == len(gpu.pools)
        and all(p in catalog.runpod_pools for _, p in pools)
    ):
        yield from _exclusions(gpu, [pool for _, pool in pools], catalog)
    yield from known.in_range(catalog, "gpu.count", gpu.count, "gpu_count")
    yield from known.cuda("gpu.", gpu.allowed_cuda_versions, gpu.min_cuda_version)


def _exclusions(gpu: EndpointGpu, pools: list[str], catalog: Catalog) -> Iterator[Failure]:
    types = [card for pool in pools for card in catalog.runpod_pools[pool]]
    excluded = known.known_items(gpu.excluded_types)
    for index, name in excluded:
        if squeeze(name) not in types:
            found = catalog.gpus.get(name)
            hint = (
                [card for card in found.runpod_type_ids if card in types]
                if found
                else nearest(name, types, 2)
            )
            choice = f"did you mean {' or '.join(hint)}?" if hint else f"the pools hold {', '.join(types)}"
            yield Failure(
                f"gpu.excludedTypes[{index}]",
                f'"{name}" is not a GPU type of {", ".join(pools)}. Fix: {choice}',
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
    for index, cpu in known.known_items(cpus):
        path = f"cpu[{index}]"
        count = cpu.vcpu_count
        yield from known.cpu_flavor(catalog, path, cpu.id, count)
        if known.is_known(cpu.id) and known.is_known(count):
            if (cpu.id, count) in seen:
                yield Failure(path, f"{cpu.id} with {count} vCPU is listed twice. Fix: remove one")
            seen.add((cpu.id, count))


def _scaling(inputs: EndpointInputs, scaling: EndpointScaling, catalog: Catalog) -> Iterator[Failure]:
    # Without a scaling of its own a load balancer is given its default.
    given = "scaling" in inputs.model_fields_set
    if inputs.type is EndpointType.LOAD_BALANCER and given and scaling.type is ScalingType.QUEUE_DELAY:
        yield Failure(
            "scaling.type", "found QUEUE_DELAY. Wanted: REQUEST_COUNT, the only one for a load balancer"
        )
    yield from known.in_range(catalog, "scaling.queueDelay", scaling.queue_delay, "queue_delay_s")
    yield from known.in_range(catalog, "scaling.requestCount", scaling.request_count, "request_count")
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
    yield from known.in_range(catalog, "workers.min", workers.min, "workers_min")
    yield from known.in_range(catalog, "workers.max", workers.max, "workers_max")
    if ctx.known(workers.min, workers.max) and workers.max < workers.min:
        yield Failure("workers.max", f"found {workers.max}. Wanted: at least workers.min ({workers.min})")
    yield from known.in_range(catalog, "workers.idleTimeout", workers.idle_timeout, "idle_timeout_s")
    if workers.idle_timeout is None or not ctx.known(inputs.scaling):
        return
    if inputs.type is EndpointType.QUEUE and inputs.scaling.type is ScalingType.REQUEST_COUNT:
        lacking = catalog.capability("runpod", "idle_timeout_s:request_count")
        yield Failure("workers.idleTimeout", f"{lacking.reason}. Fix: {lacking.alternative}")
