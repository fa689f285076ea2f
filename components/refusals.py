"""What a cloud lacks, told at the property that needs it."""

from collections.abc import Iterator

from infra.catalog import Catalog
from infra.spec.declarations import EndpointSpec
from infra.spec.parsing import Problem


def refused(catalog: Catalog, cloud: str, path: str, feature: str) -> Iterator[Problem]:
    """The catalog's reason at `path`, if `cloud` lacks `feature`."""
    capability = catalog.capability(cloud, feature)
    if not capability.supported:
        yield Problem(path, f"{capability.reason}. Fix: {capability.alternative}")


def not_placed(spec: EndpointSpec) -> Iterator[Problem]:
    """What this version leaves to the declaration, on either cloud."""
    if spec.gpu == "auto":
        yield Problem(
            "gpu", 'found "auto". Wanted: GPU classes by name; this version does not place endpoints'
        )
    if spec.workers == "auto":
        yield Problem(
            "workers", 'found "auto". Wanted: Workers(min=…, max=…); this version does not place endpoints'
        )
    if spec.gpu is None and spec.cpu is None:
        yield Problem(
            "gpu", 'neither gpu nor cpu given. Wanted: one of them. Fix: gpu="L4", or cpu=CpuSpec(vcpu=2)'
        )
