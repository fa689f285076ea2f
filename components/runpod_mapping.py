"""One endpoint spec in RunPod's terms, or every reason why RunPod cannot run it. Pure: no Pulumi, no I/O."""

from collections.abc import Iterator
from typing import Any

from components.refusals import not_placed, refused
from infra.catalog import Catalog, UnknownGpu
from infra.spec.declarations import Auth, CpuSpec, EndpointSpec, ScalerType, Workers
from infra.spec.parsing import Problem

_CLOUD = "runpod"


def to_runpod(spec: EndpointSpec, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """The arguments of `infra.runpod.sdk.Endpoint` (image and environment aside) and what stands in the way."""
    problems = [*_refusals(spec, catalog)]
    workers = spec.workers if isinstance(spec.workers, Workers) else Workers()
    arguments: dict[str, Any] = {
        "scaling": _scaling(spec),
        "workers": {"min": workers.min, "max": workers.max},
        "timeout_ms": spec.timeout_s * 1000,
        "flashboot": "FLASHBOOT" if spec.fast_boot else "OFF",
        "data_center_ids": list(spec.regions),
    }
    if spec.scaler.type is ScalerType.QUEUE_DELAY:
        arguments["workers"]["idle_timeout"] = spec.idle_timeout_s
    if spec.disk_gib is not None:
        arguments["disk"] = spec.disk_gib
    if spec.volumes:
        arguments["network_volumes"] = [mount.volume for mount in spec.volumes]
    if isinstance(spec.gpu, list):
        gpu, wrong = _gpu(spec.gpu, spec.gpu_count, catalog)
        problems += wrong
        arguments["gpu"] = gpu
    elif spec.cpu is not None:
        arguments["cpu"] = _cpu(spec.cpu, catalog)
        if not arguments["cpu"]:
            problems.append(Problem("cpu.memory_gib", _too_much_memory(spec.cpu, catalog)))
    return arguments, problems


def environment(spec: EndpointSpec) -> dict[str, str]:
    """What the declaration itself puts into a worker's environment. A secret goes by reference, never by value."""
    secrets = {secret.env: f"{{{{ RUNPOD_SECRET_{secret.name} }}}}" for secret in spec.secrets}
    return {**spec.env, **secrets, "PILOTLIGHT_CONCURRENCY": str(spec.concurrency)}


def _refusals(spec: EndpointSpec, catalog: Catalog) -> Iterator[Problem]:
    for path, feature in _needs(spec):
        yield from refused(catalog, _CLOUD, path, feature)
    yield from not_placed(spec)


def _needs(spec: EndpointSpec) -> Iterator[tuple[str, str]]:
    """(property, feature) for everything in the declaration that some cloud may lack."""
    if isinstance(spec.workers, Workers) and spec.workers.buffer:
        yield "workers.buffer", "workers.buffer"
    if spec.auth is Auth.NONE:
        yield "auth", "auth:none"
    if spec.scaler.type is ScalerType.REQUEST_COUNT and "idle_timeout_s" in spec.model_fields_set:
        yield "idle_timeout_s", "idle_timeout_s:request_count"


def _scaling(spec: EndpointSpec) -> dict[str, Any]:
    if spec.scaler.type is ScalerType.QUEUE_DELAY:
        return {"type": "QUEUE_DELAY", "queue_delay": spec.scaler.value}
    return {"type": "REQUEST_COUNT", "request_count": int(spec.scaler.value)}


def _gpu(names: list[str], count: int, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    problems = []
    usable = []
    for index, name in enumerate(names):
        try:
            catalog.runpod_selection([name])
            usable.append(name)
        except UnknownGpu as error:
            problems.append(Problem(f"gpu[{index}]", str(error).replace("\n  ", ". ")))
    selection = catalog.runpod_selection(usable)
    gpu = {"pools": list(selection.pools), "excluded_types": list(selection.excluded_types), "count": count}
    return gpu, problems


def _cpu(cpu: CpuSpec, catalog: Catalog) -> list[dict[str, Any]]:
    """The leanest flavors that give the vCPU asked for (RunPod sells powers of two) and at least the memory."""
    vcpu = max(2, 1 << (cpu.vcpu - 1).bit_length())
    per_vcpu = (cpu.memory_gib or 0) / vcpu
    fitting = [flavor for flavor in catalog.cpu_flavors.values() if flavor.ram_gib_per_vcpu >= per_vcpu]
    leanest = min((flavor.ram_gib_per_vcpu for flavor in fitting), default=None)
    return [{"id": flavor.id, "vcpu_count": vcpu} for flavor in fitting if flavor.ram_gib_per_vcpu == leanest]


def _too_much_memory(cpu: CpuSpec, catalog: Catalog) -> str:
    most = max(flavor.ram_gib_per_vcpu for flavor in catalog.cpu_flavors.values())
    return f"found {cpu.memory_gib:g} with {cpu.vcpu} vCPU. Wanted: at most {most:g} GiB per vCPU. Fix: more vcpu"
