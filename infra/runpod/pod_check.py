"""What a pod's types cannot say: every rule across fields, and every name that the catalog knows."""

from collections.abc import Iterator

from infra.catalog import Catalog, load
from infra.catalog.model import squeeze
from infra.kit import CheckContext, Failure
from infra.runpod import known
from infra.runpod.pod_model import Cloud, PodGpu, PodInputs


def failures(ctx: CheckContext, inputs: PodInputs) -> list[Failure]:
    catalog = load()
    return [
        *known.name(inputs.name),
        *known.container(inputs),
        *known.in_range(catalog, "disk", inputs.disk, "disk_gb"),
        *_compute(inputs),
        *(_gpu(inputs.gpu, catalog) if known.is_known(inputs.gpu) else []),
        *(
            known.cpu_flavor(catalog, "cpu", inputs.cpu.id, inputs.cpu.vcpu_count)
            if known.is_known(inputs.cpu)
            else []
        ),
        *known.cuda("", inputs.allowed_cuda_versions, inputs.min_cuda_version),
        *_storage(inputs, catalog),
        *_placement(inputs, catalog),
    ]


def _compute(inputs: PodInputs) -> Iterator[Failure]:
    if inputs.gpu is not None and inputs.cpu is not None:
        yield Failure("cpu", "both gpu and cpu are given. Wanted: exactly one of them. Fix: remove the other")
    if inputs.gpu is None and inputs.cpu is None:
        yield Failure("gpu", 'neither gpu nor cpu is given. Wanted: one, such as gpu={"id": "NVIDIA L4"}')
    if inputs.cpu is None:
        return
    if inputs.allowed_cuda_versions:
        yield Failure("allowedCudaVersions", "a CPU pod has no CUDA. Fix: remove it")
    if inputs.min_cuda_version is not None:
        yield Failure("minCudaVersion", "a CPU pod has no CUDA. Fix: remove it")
    if inputs.global_networking is True:
        yield Failure("globalNetworking", "needs an NVIDIA GPU. Fix: remove it, or give a gpu")
    if inputs.cloud is Cloud.COMMUNITY:
        yield Failure("cloud", "found COMMUNITY. Wanted: SECURE, where RunPod's CPU pods are")


def _gpu(gpu: PodGpu, catalog: Catalog) -> Iterator[Failure]:
    yield from known.in_range(catalog, "gpu.count", gpu.count, "gpu_count")
    if not known.is_known(gpu.id) or catalog.gpu_of_runpod_type(gpu.id) is not None:
        return
    ids = [id for one in catalog.gpus.values() for id in (*one.runpod_type_ids, *one.runpod_pod_type_ids)]
    if gpu.id in catalog.runpod_pools:
        types = ", ".join(catalog.runpod_pools[gpu.id])
        yield Failure("gpu.id", f'"{gpu.id}" is a pool, which only endpoints take. Wanted: one of {types}')
        return
    named = catalog.gpus.get(gpu.id)
    cards = (*named.runpod_type_ids, *named.runpod_pod_type_ids) if named else ()
    if cards:
        yield Failure(
            "gpu.id",
            f'"{gpu.id}" is a GPU class. Wanted: RunPod\'s id of a card, {" or ".join(cards)}',
        )
        return
    # A card that we do not know may be new, and RunPod will say; another spelling of one is a slip.
    meant = next((id for id in ids if squeeze(id).casefold() == squeeze(gpu.id).casefold()), None)
    if meant:
        yield Failure("gpu.id", f'"{gpu.id}" is not a GPU type of RunPod. Fix: did you mean {meant}?')


def _storage(inputs: PodInputs, catalog: Catalog) -> Iterator[Failure]:
    if inputs.volume is not None and inputs.network_volume is not None:
        yield Failure("volume", "given together with networkVolume. Wanted: one of them. Fix: remove one")
    if inputs.volume is not None and inputs.cpu is not None:
        yield Failure("volume", "a CPU pod has no storage on its machine. Fix: use networkVolume")
    if known.is_known(inputs.volume):
        yield from known.volume(inputs.volume, "volume")
    if known.is_known(inputs.network_volume):
        yield from known.mount_path(inputs.network_volume.path, "networkVolume.path")
        if inputs.network_volume.id == "":
            yield Failure("networkVolume.id", "the id is empty. Wanted: the id of a network volume")
        if inputs.cloud is Cloud.COMMUNITY:
            yield Failure("cloud", "found COMMUNITY. Wanted: SECURE, where network volumes are")


def _placement(inputs: PodInputs, catalog: Catalog) -> Iterator[Failure]:
    places = known.known_items(inputs.data_center_ids)
    for index, id in places:
        yield from known.data_center(catalog, f"dataCenterIds[{index}]", id)
    there = inputs.network_volume_data_center
    if inputs.network_volume is None or not known.is_known(there):
        return
    for index, id in places:
        if id != there:
            yield Failure(
                f"dataCenterIds[{index}]",
                f"{id} does not have the network volume, which is in {there}. Fix: remove it, or use a volume in {id}",
            )
