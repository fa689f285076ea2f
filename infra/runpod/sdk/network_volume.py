"""`NetworkVolume` as a program writes it."""

from typing import TYPE_CHECKING, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.runpod.network_volume import VolumeType


class NetworkVolume(CustomResource):
    """Storage in one data center. It only grows; deleting it needs `force_destroy`."""

    token: ClassVar = "pilotlight-runpod:index:NetworkVolume"
    names: ClassVar = read("infra.runpod.sdk")["NetworkVolume"]

    name: pulumi.Output[str]
    size_gb: pulumi.Output[int]
    data_center: pulumi.Output[str]
    type: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        size_gb: pulumi.Input[int],
        data_center: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        type: "pulumi.Input[VolumeType | str] | None" = None,
        force_destroy: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "size_gb": size_gb,
            "data_center": data_center,
            "name": name,
            "type": type,
            "force_destroy": force_destroy,
        }
        super().__init__(resource_name, given, opts)
