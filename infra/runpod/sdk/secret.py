"""`Secret` as a program writes it."""

from typing import ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource


class Secret(CustomResource):
    """A value that environments name (`secret.reference`) and never hold."""

    token: ClassVar = "pilotlight-runpod:index:Secret"
    names: ClassVar = read("infra.runpod.sdk")["Secret"]

    name: pulumi.Output[str]
    description: pulumi.Output[str]
    reference: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        value: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        description: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "value": value,
            "name": name,
            "description": description,
        }
        super().__init__(resource_name, given, opts)
