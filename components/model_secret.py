"""`ModelSecret`: a secret that workers read from their environment, kept by the cloud that runs them."""

from typing import Any

import pulumi

from components._base import explained, token, understood
from infra.spec.declarations import Cloud, DeclaredSecret, SpecError
from infra.spec.parsing import Problem


class ModelSecret(pulumi.ComponentResource, DeclaredSecret):
    """A value that no image, template or state shows. It is put into each cloud in which something uses it.

        token = ModelSecret("hf-token", env="HF_TOKEN", value=config.require_secret("hfToken"))
        ModelEndpoint("chat", secrets=[token], …)

    `env` is the environment variable in the workers; made from the name when unset (`hf-token` -> `HF_TOKEN`).
    """

    @understood
    def __init__(
        self,
        name: str,
        *,
        value: pulumi.Input[str],
        env: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelSecret"), name, None, opts)
        self.declared_name = name
        self.env = env or name.upper().replace("-", "_").replace(".", "_")
        with explained():
            if not self.env.isidentifier():
                wanted = "Wanted: letters, digits and _, not a digit first, such as HF_TOKEN"
                raise SpecError(f"secret {name!r}", [Problem("env", f"found {self.env!r}. {wanted}")])
        self._value = pulumi.Output.secret(value)
        self._names: dict[Cloud, Any] = {}
        self.register_outputs({})

    def name_on(self, cloud: Cloud) -> Any:
        """The cloud's name of it. Asking puts the secret into that cloud."""
        if cloud not in self._names:
            self._names[cloud] = _MAKE[cloud](
                self.declared_name, self.env, self._value, pulumi.ResourceOptions(parent=self)
            )
        return self._names[cloud]


def _on_modal(name: str, env: str, value: Any, opts: pulumi.ResourceOptions) -> Any:
    from infra.modal.sdk import Secret

    return Secret(name, values={env: value}, opts=opts).name


def _on_runpod(name: str, env: str, value: Any, opts: pulumi.ResourceOptions) -> Any:
    from infra.runpod.sdk import Secret

    return Secret(name, value=value, opts=opts).name


_MAKE = {Cloud.MODAL: _on_modal, Cloud.RUNPOD: _on_runpod}
