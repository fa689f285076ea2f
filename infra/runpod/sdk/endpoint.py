"""`Endpoint` as a program writes it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.runpod.endpoint_model import EndpointType, Flashboot


class Endpoint(CustomResource):
    """A serverless endpoint, a job queue or a load balancer. Nested arguments are mappings, keys in Python or in wire spelling.

    gpu: `{"pools": ["AMPERE_24"], "excluded_types": [...], "count": 1, "min_cuda_version": "12.1"}`, or
    cpu: `[{"id": "cpu5c", "vcpu_count": 4}]`. scaling: `{"type": "QUEUE_DELAY", "queue_delay": 4}` or
    `{"type": "REQUEST_COUNT", "request_count": 4}`. workers: `{"min": 0, "max": 3, "idle_timeout": 10}`.
    network_volumes: ids, with network_volume_data_centers (`NetworkVolume.data_center`) in the same order.
    """

    token: ClassVar = "pilotlight-runpod:index:Endpoint"
    names: ClassVar = read("infra.runpod.sdk")["Endpoint"]

    name: pulumi.Output[str]
    image: pulumi.Output[str]
    url: pulumi.Output[str]
    request_urls: pulumi.Output[Mapping[str, str]]
    created_at: pulumi.Output[str]
    version: pulumi.Output[int | None]
    scaled_down_to: pulumi.Output[int | None]

    def __init__(
        self,
        resource_name: str,
        *,
        image: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        type: "pulumi.Input[EndpointType | str] | None" = None,
        gpu: pulumi.Input[Mapping[str, Any]] | None = None,
        cpu: pulumi.Input[Sequence[pulumi.Input[Mapping[str, Any]]]] | None = None,
        scaling: pulumi.Input[Mapping[str, Any]] | None = None,
        workers: pulumi.Input[Mapping[str, Any]] | None = None,
        timeout_ms: pulumi.Input[int] | None = None,
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        args: pulumi.Input[str] | None = None,
        disk: pulumi.Input[int] | None = None,
        ports: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        registry_id: pulumi.Input[str] | None = None,
        data_center_ids: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        flashboot: "pulumi.Input[Flashboot | str] | None" = None,
        network_volumes: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        network_volume_data_centers: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        repair_scale_down: pulumi.Input[bool] | None = None,
        wait_for_rollout: pulumi.Input[bool] | None = None,
        intent: pulumi.Input[Mapping[str, Any]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "name": name,
            "type": type,
            "image": image,
            "gpu": gpu,
            "cpu": cpu,
            "scaling": scaling,
            "workers": workers,
            "timeout_ms": timeout_ms,
            "env": env,
            "args": args,
            "disk": disk,
            "ports": ports,
            "registry_id": registry_id,
            "data_center_ids": data_center_ids,
            "flashboot": flashboot,
            "network_volumes": network_volumes,
            "network_volume_data_centers": network_volume_data_centers,
            "repair_scale_down": repair_scale_down,
            "wait_for_rollout": wait_for_rollout,
            "intent": intent,
        }
        super().__init__(resource_name, given, opts)
