"""`pulumi-resource-pilotlight-modal`: the Pulumi provider for Modal."""

from functools import cache
from typing import Any

from infra.kit import Provider, serve
from infra.modal.config import Config, connect
from infra.spec.findings import Finding, Gate, ResourceView

NAME = "pilotlight-modal"
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
    description="Apps on Modal, and the volumes, secrets and other objects that they use.",
    config=Config,
    resources={
        "App": "infra.modal.app:App",
        "Volume": "infra.modal.volume:Volume",
        "Secret": "infra.modal.secret:Secret",
        "Environment": "infra.modal.environment:Environment",
        "Dict": "infra.modal.dict:Dict",
        "Queue": "infra.modal.queue:Queue",
        "NetworkFileSystem": "infra.modal.network_file_system:NetworkFileSystem",
    },
    connect=connect,
    gate=gate,
)


def main() -> None:
    serve(provider)


if __name__ == "__main__":
    main()
