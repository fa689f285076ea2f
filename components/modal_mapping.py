"""One endpoint spec in Modal's terms, or every reason why Modal cannot run it. Pure: no Pulumi, no I/O."""

from collections.abc import Iterator
from typing import Any

from components.refusals import not_placed, refused
from infra.catalog import Catalog, UnknownGpu
from infra.spec.declarations import Auth, EndpointSpec, ImageSpec, Workers
from infra.spec.parsing import Problem

CLASS = "Model"
"""What the handler is called in the app: `modal.Cls.from_name("<app>", "Model")`."""


def to_modal(spec: EndpointSpec, catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """The settings of the app's one class (image and environment aside) and what stands in the way."""
    workers = spec.workers if isinstance(spec.workers, Workers) else Workers()
    gpu, wrong = _gpu(spec, catalog)
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
        "volumes": {
            mount.path: {"name": mount.volume, "sub_path": mount.sub_path, "read_only": mount.read_only}
            for mount in spec.volumes
        },
        "secrets": [{"name": secret.name, "required_keys": [secret.env]} for secret in spec.secrets],
        "web": {"requires_proxy_auth": spec.auth is Auth.CLOUD},
    }
    if spec.cpu is not None:
        service["cpu"] = spec.cpu.vcpu / 2  # Modal counts physical cores
        if spec.cpu.memory_gib is not None:
            service["memory_mib"] = int(spec.cpu.memory_gib * 1024)
    if spec.disk_gib is not None:
        service["ephemeral_disk_mib"] = spec.disk_gib * 1024
    return service, [*_refusals(spec, catalog), *wrong]


def image_chain(spec: ImageSpec) -> dict[str, Any]:
    """The same packages as the OCI image of this declaration has, as a chain that Modal builds."""
    chain: dict[str, Any] = {"env": spec.env}
    if spec.python is not None:
        chain["python"] = spec.python
    if isinstance(spec.requirements, list):
        chain["pip"] = spec.requirements
    return chain


def _refusals(spec: EndpointSpec, catalog: Catalog) -> Iterator[Problem]:
    if "scaler" in spec.model_fields_set:
        yield from refused(catalog, "modal", "scaler", "scaler")
    window = catalog.limit("modal", "idle_timeout_s")
    if not window.allows(spec.idle_timeout_s):
        yield Problem("idle_timeout_s", f"found {spec.idle_timeout_s}. Wanted: {window.range} on Modal")
    yield from not_placed(spec)


def _gpu(spec: EndpointSpec, catalog: Catalog) -> tuple[list[str], list[Problem]]:
    """Modal's names in the order of preference, with the count: `H100:2`."""
    names, problems = [], []
    for index, name in enumerate(spec.gpu if isinstance(spec.gpu, list) else []):
        path = f"gpu[{index}]"
        try:
            gpu = catalog.gpu(name)
        except UnknownGpu as error:
            problems.append(Problem(path, str(error).replace("\n  ", ". ")))
            continue
        if gpu.modal_id is None:
            problems.append(Problem(path, f"Modal cannot run {gpu.name}: {gpu.modal_reason}"))
        elif gpu.modal_max_count is not None and spec.gpu_count > gpu.modal_max_count:
            most = (
                f"found {spec.gpu_count} of {gpu.name}. Wanted: at most {gpu.modal_max_count} in a container"
            )
            problems.append(Problem("gpu_count", most))
        else:
            names.append(gpu.modal_id if spec.gpu_count == 1 else f"{gpu.modal_id}:{spec.gpu_count}")
    return names, problems
