"""One endpoint spec in RunPod's terms, or every reason why RunPod cannot run it. Pure: no Pulumi, no I/O."""

from collections.abc import Iterator
from typing import Any

from components.refusals import not_placed, refused
from infra.catalog import Catalog, UnknownGpu
from infra.spec.declarations import (
    Auth,
    Cloud,
    CpuSpec,
    EndpointKind,
    EndpointSpec,
    ScalerType,
    VolumeMount,
    Workers,
    registry_on,
)
from infra.spec.parsing import Problem

_CLOUD = "runpod"
SERVE_HTTP = "http"
"""The argument that has the image serve a load balancer's requests instead of a queue's jobs."""
VOLUME_PATH = "/runpod-volume"
"""Where a serverless worker finds its network volume; RunPod gives no choice."""


def to_runpod(spec: EndpointSpec, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """The arguments of `infra.runpod.sdk.Endpoint` (image and environment aside) and what stands in the way."""
    problems = [*_refusals(spec, catalog), *_volume_problems(spec, catalog)]
    workers = spec.workers if isinstance(spec.workers, Workers) else Workers()
    arguments: dict[str, Any] = {
        "type": spec.kind.value.upper(),
        "scaling": _scaling(spec),
        "workers": {"min": workers.min, "max": workers.max},
        "timeout_ms": spec.timeout_s * 1000,
        "flashboot": "FLASHBOOT" if spec.fast_boot else "OFF",
        "data_center_ids": data_centers(spec.regions, spec.volumes),
    }
    if spec.kind is EndpointKind.LOAD_BALANCER:
        arguments["args"] = SERVE_HTTP
    if spec.kind is EndpointKind.LOAD_BALANCER or spec.scaler.type is ScalerType.QUEUE_DELAY:
        arguments["workers"]["idle_timeout"] = spec.idle_timeout_s
    if spec.disk_gib is not None:
        arguments["disk"] = spec.disk_gib
    if spec.volumes:
        arguments["network_volumes"] = [mount.reference for mount in spec.volumes]
        arguments["network_volume_data_centers"] = [
            mount.bound_to for mount in spec.volumes if mount.bound_to
        ]
    if spec.registry is not None:
        arguments["registry_id"] = registry_on(Cloud.RUNPOD, spec.registry)
    if isinstance(spec.gpu, list):
        gpu, wrong = _gpu(spec.gpu, spec.gpu_count, catalog)
        problems += wrong
        arguments["gpu"] = gpu
    elif spec.cpu is not None:
        arguments["cpu"] = cpu_flavors(spec.cpu, catalog)
        if not arguments["cpu"]:
            problems.append(Problem("cpu.memory_gib", too_much_memory(spec.cpu, catalog)))
    return arguments, problems


def environment(spec: EndpointSpec) -> dict[str, str]:
    """What the declaration itself puts into a worker's environment, its secrets aside."""
    volume = {"PILOTLIGHT_VOLUME": VOLUME_PATH} if spec.volumes else {}
    return {**spec.env, **volume, "PILOTLIGHT_CONCURRENCY": str(spec.concurrency)}


def data_centers(regions: list[str], mounts: list[VolumeMount]) -> list[str]:
    """Where workers may run: as declared, else where the volumes are."""
    return list(regions) or sorted({mount.bound_to for mount in mounts if mount.bound_to is not None})


def _refusals(spec: EndpointSpec, catalog: Catalog) -> Iterator[Problem]:
    for path, feature in _needs(spec):
        yield from refused(catalog, _CLOUD, path, feature)
    yield from not_placed(spec)


def _volume_problems(spec: EndpointSpec, catalog: Catalog) -> Iterator[Problem]:
    """A worker must never start where its volume is not, and finds every volume at one place."""
    bound: dict[str, int] = {}
    for index, mount in enumerate(spec.volumes):
        path = f"volumes[{index}]"
        yield from mount_problems(mount, catalog, path)
        if "path" in mount.model_fields_set and mount.path != VOLUME_PATH:
            yield Problem(
                f"{path}.path",
                f"found {mount.path!r}. Wanted: {VOLUME_PATH}, where RunPod mounts a volume in every worker",
            )
        if mount.bound_to is None:
            yield Problem(
                f"{path}.data_center",
                "not given. Wanted: the data center of the volume, so that no worker starts elsewhere. Fix: set it, "
                "or pass the ModelVolume",
            )
        elif mount.bound_to in bound:
            yield Problem(
                path,
                f"volumes[{bound[mount.bound_to]}] is in {mount.bound_to}, too. Wanted: at most one volume for each data "
                "center",
            )
        else:
            bound[mount.bound_to] = index
    for index, region in enumerate(spec.regions if bound else ()):
        if region not in bound:
            where = " and ".join(bound)
            yield Problem(
                f"regions[{index}]",
                f"a worker in {region} would be without its volume, which is in {where}. Fix: remove {region}, or add "
                "a volume there",
            )


def mount_problems(mount: VolumeMount, catalog: Catalog, path: str) -> Iterator[Problem]:
    """What RunPod's mounts cannot do, for endpoints and pods alike."""
    if mount.sub_path is not None:
        yield from refused(catalog, _CLOUD, f"{path}.sub_path", "volumes:sub_path")
    if mount.read_only:
        yield from refused(catalog, _CLOUD, f"{path}.read_only", "volumes:read_only")


def _needs(spec: EndpointSpec) -> Iterator[tuple[str, str]]:
    """(property, feature) for everything in the declaration that some cloud may lack."""
    if spec.kind is EndpointKind.LOAD_BALANCER:
        if "scaler" in spec.model_fields_set and spec.scaler.type is ScalerType.QUEUE_DELAY:
            yield "scaler", "scaler:queue_delay:load_balancer"
        if isinstance(spec.workers, Workers) and spec.workers.buffer:
            yield "workers.buffer", "workers.buffer"
        if spec.auth is Auth.NONE:
            yield "auth", "auth:none"
        return
    if isinstance(spec.workers, Workers) and spec.workers.buffer:
        yield "workers.buffer", "workers.buffer"
    if spec.auth is Auth.NONE:
        yield "auth", "auth:none"
    if spec.scaler.type is ScalerType.REQUEST_COUNT and "idle_timeout_s" in spec.model_fields_set:
        yield "idle_timeout_s", "idle_timeout_s:request_count"


def _scaling(spec: EndpointSpec) -> dict[str, Any]:
    if spec.kind is EndpointKind.LOAD_BALANCER and "scaler" not in spec.model_fields_set:
        return {"type": "REQUEST_COUNT", "request_count": spec.concurrency}
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


def cpu_flavors(cpu: CpuSpec, catalog: Catalog) -> list[dict[str, Any]]:
    """The leanest flavors that give the vCPU asked for (RunPod sells powers of two) and at least the memory."""
    vcpu = max(2, 1 << (cpu.vcpu - 1).bit_length())
    per_vcpu = (cpu.memory_gib or 0) / vcpu
    fitting = [flavor for flavor in catalog.cpu_flavors.values() if flavor.ram_gib_per_vcpu >= per_vcpu]
    leanest = min((flavor.ram_gib_per_vcpu for flavor in fitting), default=None)
    return [{"id": flavor.id, "vcpu_count": vcpu} for flavor in fitting if flavor.ram_gib_per_vcpu == leanest]


def too_much_memory(cpu: CpuSpec, catalog: Catalog) -> str:
    most = max(flavor.ram_gib_per_vcpu for flavor in catalog.cpu_flavors.values())
    return f"found {cpu.memory_gib:g} with {cpu.vcpu} vCPU. Wanted: at most {most:g} GiB per vCPU. Fix: more vcpu"
