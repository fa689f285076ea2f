"""`Pod` as a program writes it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.runpod.pod_model import Cloud, DesiredState


class Pod(CustomResource):
    """A machine with a container. Nested arguments are mappings, keys in Python or in wire spelling.

    gpu: `{"id": "NVIDIA L4", "count": 1}`, or cpu: `{"id": "cpu5c", "vcpu_count": 4}`. desired_state: RUNNING, STOPPED or ONCE.
    volume: `{"size_gb": 20, "path": "/workspace"}`, or network_volume: `{"id": volume.id, "path": "/workspace"}` with
    network_volume_data_center.
    """

    token: ClassVar = "pilotlight-runpod:index:Pod"
    names: ClassVar = read("infra.runpod.sdk")["Pod"]

    name: pulumi.Output[str]
    image: pulumi.Output[str]
    status: pulumi.Output[str]
    data_center: pulumi.Output[str | None]
    cost_usd_per_hour: pulumi.Output[float]
    addresses: pulumi.Output[Mapping[str, str]]
    ssh: pulumi.Output[str | None]
    created_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        image: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        gpu: pulumi.Input[Mapping[str, Any]] | None = None,
        cpu: pulumi.Input[Mapping[str, Any]] | None = None,
        desired_state: "pulumi.Input[DesiredState | str] | None" = None,
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        args: pulumi.Input[str] | None = None,
        disk: pulumi.Input[int] | None = None,
        ports: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        registry_id: pulumi.Input[str] | None = None,
        volume: pulumi.Input[Mapping[str, Any]] | None = None,
        network_volume: pulumi.Input[Mapping[str, Any]] | None = None,
        network_volume_data_center: pulumi.Input[str] | None = None,
        cloud: "pulumi.Input[Cloud | str] | None" = None,
        data_center_ids: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        allowed_cuda_versions: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        min_cuda_version: pulumi.Input[str] | None = None,
        start_ssh: pulumi.Input[bool] | None = None,
        start_jupyter: pulumi.Input[bool] | None = None,
        global_networking: pulumi.Input[bool] | None = None,
        locked: pulumi.Input[bool] | None = None,
        wait_for_state: pulumi.Input[bool] | None = None,
        intent: pulumi.Input[Mapping[str, Any]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "image": image,
            "name": name,
            "gpu": gpu,
            "cpu": cpu,
            "desired_state": desired_state,
            "env": env,
            "args": args,
            "disk": disk,
            "ports": ports,
            "registry_id": registry_id,
            "volume": volume,
            "network_volume": network_volume,
            "network_volume_data_center": network_volume_data_center,
            "cloud": cloud,
            "data_center_ids": data_center_ids,
            "allowed_cuda_versions": allowed_cuda_versions,
            "min_cuda_version": min_cuda_version,
            "start_ssh": start_ssh,
            "start_jupyter": start_jupyter,
            "global_networking": global_networking,
            "locked": locked,
            "wait_for_state": wait_for_state,
            "intent": intent,
        }
        super().__init__(resource_name, given, opts)
