"""`Registry` as a program writes it."""

from typing import ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource


class Registry(CustomResource):
    """The login of a private container registry; its id is `registry_id` of endpoints, pods and templates."""

    token: ClassVar = "pilotlight-runpod:index:Registry"
    names: ClassVar = read("infra.runpod.sdk")["Registry"]

    name: pulumi.Output[str]
    username: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        password: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "username": username,
            "password": password,
            "name": name,
        }
        super().__init__(resource_name, given, opts)
