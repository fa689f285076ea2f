"""Values of a Check: given, and not waiting for another resource. And the ranges that the catalog has for them."""

from collections.abc import Iterator
from typing import Any, TypeGuard, TypeVar

from infra.catalog import Catalog
from infra.kit import Failure
from infra.runpod.marks import LONGEST_NAME, MARK_KEY
from infra.spec.findings import UNKNOWN
from infra.spec.nearest import nearest

T = TypeVar("T")


def is_known(value: T | None) -> TypeGuard[T]:
    """Given, and not waiting for another resource."""
    return value is not None and value is not UNKNOWN


def known_items(values: Any) -> list[tuple[int, Any]]:
    """The known items of a list that may be unknown itself, with their places."""
    return (
        [(i, value) for i, value in enumerate(values) if is_known(value)] if isinstance(values, list) else []
    )


def in_range(catalog: Catalog, path: str, value: Any, limit: str) -> Iterator[Failure]:
    """Nothing for what is unset or unknown."""
    if not is_known(value):
        return
    allowed = catalog.limit("runpod", limit)
    if not allowed.allows(value):
        yield Failure(path, f"found {value:.15g}. Wanted: {allowed.range}")


def name(value: Any, longest: int = LONGEST_NAME) -> Iterator[Failure]:
    if value == "":
        yield Failure("name", "the name is empty. Wanted: a name, or none to have one generated")
    if isinstance(value, str) and len(value) > longest:
        yield Failure("name", f"found {len(value)} characters. Wanted: at most {longest}")


def container(inputs: Any) -> Iterator[Failure]:
    """What endpoints, pods and templates have in common: image, env and ports."""
    if inputs.image == "":
        yield Failure("image", "the image is empty. Wanted: a reference such as registry/name@sha256:…")
    if is_known(inputs.env) and MARK_KEY in inputs.env:
        yield Failure(
            f"env.{MARK_KEY}", "this variable is how the provider recognises its own. Fix: remove it"
        )
    seen: set[str] = set()
    for index, port in known_items(inputs.ports):
        number, _, protocol = port.partition("/")
        numeric = number.isascii() and number.isdigit() and 0 < int(number) < 65536
        if not numeric or protocol not in ("http", "tcp"):
            yield Failure(
                f"ports[{index}]",
                f"{port!r} is no port. Wanted: number/protocol, such as 8000/http or 22/tcp",
            )
        elif number in seen:
            yield Failure(f"ports[{index}]", f"port {number} is listed twice. Fix: remove one")
        seen.add(number)


def volume(volume: Any, path: str) -> Iterator[Failure]:
    """A machine's own storage, as pods and templates have it."""
    if is_known(volume.size_gb) and volume.size_gb < 10:
        yield Failure(f"{path}.sizeGb", f"found {volume.size_gb}. Wanted: at least 10")
    yield from mount_path(volume.path, f"{path}.path")


def mount_path(value: Any, path: str) -> Iterator[Failure]:
    if is_known(value) and not value.startswith("/"):
        yield Failure(path, f"found {value!r}. Wanted: an absolute path such as /workspace")


def cuda(at: str, allowed: Any, floor: Any) -> Iterator[Failure]:
    for index, version in known_items(allowed):
        if not _is_version(version):
            yield Failure(f"{at}allowedCudaVersions[{index}]", _bad_version(version))
    if not is_known(floor):
        return
    if not _is_version(floor):
        yield Failure(f"{at}minCudaVersion", _bad_version(floor))
    if allowed:
        yield Failure(
            f"{at}minCudaVersion",
            "given together with allowedCudaVersions. Wanted: a lowest version or an exact set, not both",
        )


def data_center(catalog: Catalog, path: str, value: Any) -> Iterator[Failure]:
    """Another spelling of one that we know is a slip; one that we do not know may be new, and RunPod will say."""
    if not is_known(value) or value in catalog.data_centers:
        return
    meant = next((id for id in catalog.data_centers if _skeleton(id) == _skeleton(value)), None)
    if meant:
        yield Failure(path, f'"{value}" is not a data center of RunPod. Fix: did you mean {meant}?')


def cpu_flavor(catalog: Catalog, path: str, id: Any, vcpu: Any) -> Iterator[Failure]:
    if is_known(id) and id not in catalog.cpu_flavors:
        hint = nearest(id, catalog.cpu_flavors, 2) or list(catalog.cpu_flavors)
        yield Failure(
            f"{path}.id", f'"{id}" is not a CPU flavor of RunPod. Fix: did you mean {" or ".join(hint)}?'
        )
    if is_known(vcpu):
        if vcpu > 0 and vcpu & (vcpu - 1):
            yield Failure(f"{path}.vcpuCount", f"found {vcpu}. Wanted: a power of two")
        yield from in_range(catalog, f"{path}.vcpuCount", vcpu, "vcpu_count")


def _is_version(text: str) -> bool:
    major, dot, minor = text.partition(".")
    return bool(dot) and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()


def _bad_version(text: str) -> str:
    return f'"{text}" is not a CUDA version. Wanted: major.minor, such as 12.8'


def _skeleton(id: str) -> str:
    return id.strip().upper().replace("0", "O").replace("_", "-").replace(" ", "-")
