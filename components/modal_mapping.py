"""One endpoint spec in Modal's terms, or every reason why Modal cannot run it. Pure: no Pulumi, no I/O."""

from collections.abc import Iterable, Iterator
from typing import Any

from components.refusals import not_placed, refused
from infra.catalog import Catalog, UnknownGpu
from infra.spec.declarations import (
    Auth,
    Cloud,
    CpuSpec,
    EndpointSpec,
    ImageSpec,
    SecretRef,
    VolumeMount,
    Workers,
)
from infra.spec.parsing import Problem

CLASS = "Model"
"""What the handler is called in the app: `modal.Cls.from_name("<app>", "Model")`."""


def to_modal(spec: EndpointSpec, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """The settings of the app's one class (image and environment aside) and what stands in the way."""
    workers = spec.workers if isinstance(spec.workers, Workers) else Workers()
    gpu, wrong = gpu_names(spec.gpu if isinstance(spec.gpu, list) else [], spec.gpu_count, catalog)
    service: dict[str, Any] = {
        "gpu": gpu,
        "min_containers": workers.min,
        "max_containers": workers.max,
        "buffer_containers": workers.buffer,
        "scaledown_window_s": spec.idle_timeout_s,
        "timeout_s": spec.timeout_s,
        "max_concurrent_inputs": spec.concurrency if spec.concurrency > 1 else None,
        "regions": list(spec.regions),
        "memory_snapshot": spec.fast_boot,
        "volumes": mounted(spec.volumes),
        "secrets": secret_refs(spec.secrets),
        "web": {"requires_proxy_auth": spec.auth is Auth.CLOUD},
        **cores_and_memory(spec.cpu),
    }
    if spec.disk_gib is not None:
        service["ephemeral_disk_mib"] = spec.disk_gib * 1024
    return service, [*_refusals(spec, catalog), *wrong]


def image_chain(spec: ImageSpec) -> dict[str, Any]:
    """The same base and packages as the OCI image of this declaration has, as a chain that Modal builds."""
    chain: dict[str, Any] = {"env": spec.env}
    if spec.base is not None:
        chain["registry"] = spec.base
    elif spec.python is not None:
        chain["python"] = spec.python
    if isinstance(spec.requirements, list):
        chain["pip"] = spec.requirements
    elif spec.requirements is not None:
        chain["requirements"] = spec.requirements
    return chain


def mounted(mounts: Iterable[VolumeMount]) -> dict[str, dict[str, Any]]:
    return {
        mount.path: {"name": mount.reference, "sub_path": mount.sub_path, "read_only": mount.read_only}
        for mount in mounts
    }


def mount_problems(mounts: Iterable[VolumeMount], catalog: Catalog) -> Iterator[Problem]:
    for index, mount in enumerate(mounts):
        if mount.data_center is not None:
            yield from refused(catalog, "modal", f"volumes[{index}].data_center", "volumes:data_center")


def secret_refs(secrets: Iterable[SecretRef]) -> list[dict[str, Any]]:
    return [{"name": secret.name_on(Cloud.MODAL), "required_keys": [secret.env]} for secret in secrets]


def cores_and_memory(cpu: CpuSpec | None) -> dict[str, Any]:
    if cpu is None:
        return {}
    asked: dict[str, Any] = {"cpu": cpu.vcpu / 2}  # Modal counts physical cores
    if cpu.memory_gib is not None:
        asked["memory_mib"] = int(cpu.memory_gib * 1024)
    return asked


def gpu_names(gpu: list[str], count: int, catalog: Catalog) -> tuple[list[str], list[Problem]]:
    """Modal's names in the order of preference, with the count: `H100:2`."""
    names, problems = [], []
    for index, name in enumerate(gpu):
        path = f"gpu[{index}]"
        try:
            known = catalog.gpu(name)
        except UnknownGpu as error:
            problems.append(Problem(path, str(error).replace("\n  ", ". ")))
            continue
        if known.modal_id is None:
            problems.append(Problem(path, f"Modal cannot run {known.name}: {known.modal_reason}"))
        elif known.modal_max_count is not None and count > known.modal_max_count:
            most = f"found {count} of {known.name}. Wanted: at most {known.modal_max_count} in a container"
            problems.append(Problem("gpu_count", most))
        else:
            names.append(known.modal_id if count == 1 else f"{known.modal_id}:{count}")
    return names, problems


def _refusals(spec: EndpointSpec, catalog: Catalog) -> Iterator[Problem]:
    if "scaler" in spec.model_fields_set:
        yield from refused(catalog, "modal", "scaler", "scaler")
    window = catalog.limit("modal", "idle_timeout_s")
    if not window.allows(spec.idle_timeout_s):
        yield Problem("idle_timeout_s", f"found {spec.idle_timeout_s}. Wanted: {window.range} on Modal")
    yield from mount_problems(spec.volumes, catalog)
    yield from not_placed(spec)
