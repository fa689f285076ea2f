"""`pulumi-resource-pilotlight-runpod`: the Pulumi provider for RunPod."""

from functools import cache
from typing import Any

from infra.kit import Provider, serve
from infra.runpod.config import Config, connect
from infra.spec.findings import Finding, Gate, ResourceView

NAME = "pilotlight-runpod"
VERSION = "0.1.0"


def gate(resource: ResourceView) -> list[Finding]:
    """The policies, which load when the first resource is checked."""
    return _rules()(resource)


@cache
def _rules() -> Gate:
    from infra.kit.local import find_root
    from policies.gate import make_gate

    return make_gate(lambda: find_root(None))


provider: Provider[Any] = Provider(
    name=NAME,
    version=VERSION,
    description="Serverless endpoints on RunPod, through its REST API v2.",
    config=Config,
    resources={"Endpoint": "infra.runpod.endpoint:Endpoint"},
    connect=connect,
    gate=gate,
)


def main() -> None:
    serve(provider)


if __name__ == "__main__":
    main()
