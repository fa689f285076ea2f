"""`pulumi-resource-pilotlight-runpod`: the Pulumi provider for RunPod."""

from typing import Any

from infra.kit import Provider, serve
from infra.runpod.config import Config, connect
from policies.provider_gate import gate

NAME = "pilotlight-runpod"
VERSION = "0.1.0"


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
