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
    description="Serverless endpoints, pods, storage and credentials on RunPod, through its REST API v2.",
    config=Config,
    resources={
        "Endpoint": "infra.runpod.endpoint:Endpoint",
        "Pod": "infra.runpod.pod:Pod",
        "NetworkVolume": "infra.runpod.network_volume:NetworkVolume",
        "Template": "infra.runpod.template:Template",
        "Registry": "infra.runpod.registry:Registry",
        "Secret": "infra.runpod.secret:Secret",
    },
    invokes={
        "getGpuClasses": "infra.runpod.functions:GetGpuClasses",
        "getDataCenters": "infra.runpod.functions:GetDataCenters",
        "getCpuFlavors": "infra.runpod.functions:GetCpuFlavors",
        "getEndpoint": "infra.runpod.functions:GetEndpoint",
        "getBilling": "infra.runpod.billing:GetBilling",
    },
    connect=connect,
    gate=gate,
)


def main() -> None:
    serve(provider)


if __name__ == "__main__":
    main()
