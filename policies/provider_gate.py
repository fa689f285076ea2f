"""The gate as a provider's process holds it: nothing is loaded before the first resource is checked."""

from functools import cache

from infra.kit.local import seek_root
from infra.spec.findings import Finding, Gate, ResourceView


def gate(resource: ResourceView) -> list[Finding]:
    """All findings on one resource, with the settings of the project that the process runs in."""
    return _gate()(resource)


@cache
def _gate() -> Gate:
    from policies.gate import make_gate

    return make_gate(seek_root)
