"""RunPod's resources and functions as a program writes them. Imports the Pulumi SDK, which provider processes never do."""

from infra.runpod.sdk.endpoint import Endpoint
from infra.runpod.sdk.functions import (
    get_billing,
    get_cpu_flavors,
    get_data_centers,
    get_endpoint,
    get_gpu_classes,
)
from infra.runpod.sdk.network_volume import NetworkVolume
from infra.runpod.sdk.pod import Pod
from infra.runpod.sdk.registry import Registry
from infra.runpod.sdk.secret import Secret
from infra.runpod.sdk.template import Template

__all__ = [
    "Endpoint",
    "NetworkVolume",
    "Pod",
    "Registry",
    "Secret",
    "Template",
    "get_billing",
    "get_cpu_flavors",
    "get_data_centers",
    "get_endpoint",
    "get_gpu_classes",
]
