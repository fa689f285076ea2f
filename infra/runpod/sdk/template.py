"""`Template` as a program writes it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.runpod.template import TemplateCategory


class Template(CustomResource):
    """Container settings to start from at the console. volume: `{"size_gb": 20, "path": "/workspace"}`."""

    token: ClassVar = "pilotlight-runpod:index:Template"
    names: ClassVar = read("infra.runpod.sdk")["Template"]

    name: pulumi.Output[str]
    image: pulumi.Output[str]
    args: pulumi.Output[str]
    disk: pulumi.Output[int | None]
    env: pulumi.Output[Mapping[str, str]]
    ports: pulumi.Output[Sequence[str]]
    registry_id: pulumi.Output[str | None]
    allowed_cuda_versions: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        resource_name: str,
        *,
        image: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        args: pulumi.Input[str] | None = None,
        disk: pulumi.Input[int] | None = None,
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        ports: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        registry_id: pulumi.Input[str] | None = None,
        volume: pulumi.Input[Mapping[str, Any]] | None = None,
        serverless: pulumi.Input[bool] | None = None,
        public: pulumi.Input[bool] | None = None,
        category: "pulumi.Input[TemplateCategory | str] | None" = None,
        start_ssh: pulumi.Input[bool] | None = None,
        start_jupyter: pulumi.Input[bool] | None = None,
        allowed_cuda_versions: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "image": image,
            "name": name,
            "args": args,
            "disk": disk,
            "env": env,
            "ports": ports,
            "registry_id": registry_id,
            "volume": volume,
            "serverless": serverless,
            "public": public,
            "category": category,
            "start_ssh": start_ssh,
            "start_jupyter": start_jupyter,
            "allowed_cuda_versions": allowed_cuda_versions,
        }
        super().__init__(resource_name, given, opts)
