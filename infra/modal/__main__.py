"""`pulumi-resource-pilotlight-modal`: the Pulumi provider for Modal."""

from typing import Any

from infra.kit import Provider, serve
from infra.modal.config import Config, connect
from policies.provider_gate import gate

NAME = "pilotlight-modal"
VERSION = "0.1.0"


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
