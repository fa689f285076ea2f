"""What jobs and machines have in common on RunPod: the pod's hardware, its storage, and what a pod cannot do."""

from collections.abc import Iterator, Sequence
from typing import Any

from components.refusals import refused
from components.runpod_mapping import cpu_flavors, mount_problems, too_much_memory
from infra.catalog import Catalog, UnknownGpu
from infra.spec.declarations import CpuSpec, VolumeMount
from infra.spec.parsing import Problem


def hardware(
    gpu: Sequence[str], count: int, cpu: CpuSpec | None, catalog: Catalog
) -> tuple[dict[str, Any], list[Problem]]:
    """`gpu` or `cpu` of a pod, and what stands in the way."""
    if len(gpu) > 1:
        return {}, [*refused(catalog, "runpod", "gpu", "jobs:gpu_fallback")]
    if gpu:
        return _card(gpu[0], count, catalog)
    cpu = cpu or CpuSpec()
    flavors = cpu_flavors(cpu, catalog)
    if not flavors:
        return {}, [Problem("cpu.memory_gib", too_much_memory(cpu, catalog))]
    return {"cpu": flavors[0]}, []


def network_volume(mounts: Sequence[VolumeMount], catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """The one network volume that a pod can mount, and what stands in the way."""
    problems = [
        problem
        for index, mount in enumerate(mounts)
        for problem in mount_problems(mount, catalog, f"volumes[{index}]")
    ]
    if len(mounts) > 1:
        problems.append(Problem("volumes", f"found {len(mounts)}. Wanted: one, the most that a pod mounts"))
    if not mounts:
        return {}, problems
    mount = mounts[0]
    arguments: dict[str, Any] = {"network_volume": {"id": mount.reference, "path": mount.path}}
    if mount.bound_to is not None:
        arguments["network_volume_data_center"] = mount.bound_to
    return arguments, problems


def misplaced_regions(regions: Sequence[str], mounts: Sequence[VolumeMount]) -> Iterator[Problem]:
    """Regions in which the pod would be without its volume."""
    bound = {mount.bound_to for mount in mounts if mount.bound_to is not None}
    for index, region in enumerate(regions):
        if bound and region not in bound:
            where = " and ".join(sorted(bound))
            yield Problem(f"regions[{index}]", f"the volume is in {where}. Fix: remove {region}")


def _card(name: str, count: int, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    try:
        known = catalog.gpu(name)
    except UnknownGpu as error:
        return {}, [Problem("gpu[0]", str(error).replace("\n  ", ". "))]
    cards = [*known.runpod_type_ids, *known.runpod_pod_type_ids]
    if not cards:
        return {}, [Problem("gpu[0]", f"RunPod rents no {known.name}: {known.runpod_reason}")]
    return {"gpu": {"id": cards[0], "count": count}}, []
