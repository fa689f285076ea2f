"""`ImageRegistry`: the credentials with which a cloud pulls an image that is not public."""

from typing import Any

import pulumi

from components._base import token, understood
from infra.spec.declarations import Cloud, DeclaredRegistry


class ImageRegistry(pulumi.ComponentResource, DeclaredRegistry):
    """A user and a password (a token) of a registry, put into each cloud in which something uses them.

    ghcr = ImageRegistry("ghcr", username="ci", password=config.require_secret("ghcrToken"))
    ModelEndpoint("chat", image="ghcr.io/team/chat@sha256:…", registry=ghcr, …)
    """

    @understood
    def __init__(
        self,
        name: str,
        *,
        username: pulumi.Input[str],
        password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ImageRegistry"), name, None, opts)
        self.declared_name = name
        self._username, self._password = username, pulumi.Output.secret(password)
        self._references: dict[Cloud, Any] = {}
        self.register_outputs({})

    def reference_on(self, cloud: Cloud) -> Any:
        """RunPod's id or Modal's name of the credentials. Asking puts them into that cloud."""
        if cloud not in self._references:
            child = pulumi.ResourceOptions(parent=self)
            self._references[cloud] = _MAKE[cloud](self.declared_name, self._username, self._password, child)
        return self._references[cloud]


def _on_modal(name: str, username: Any, password: Any, opts: pulumi.ResourceOptions) -> Any:
    from infra.modal.sdk import Secret

    # the two names are those that modal.Image.from_registry reads
    return Secret(name, values={"REGISTRY_USERNAME": username, "REGISTRY_PASSWORD": password}, opts=opts).name


def _on_runpod(name: str, username: Any, password: Any, opts: pulumi.ResourceOptions) -> Any:
    from infra.runpod.sdk import Registry

    return Registry(name, username=username, password=password, opts=opts).id


_MAKE = {Cloud.MODAL: _on_modal, Cloud.RUNPOD: _on_runpod}
