"""The process `pulumi-resource-pilotlight-artifacts`."""

from typing import Any

from infra.artifacts.config import Config, connect
from infra.kit import Provider, serve

provider: Provider[Any] = Provider(
    name="pilotlight-artifacts",
    version="0.1.0",
    config=Config,
    resources={
        "Bucket": "infra.artifacts.bucket:Bucket",
        "Weights": "infra.artifacts.weights:Weights",
        "Image": "infra.artifacts.image:Image",
    },
    connect=connect,
    description="Buckets, staged weights, and images built without a container engine.",
)


def main() -> None:
    serve(provider)


if __name__ == "__main__":
    main()
