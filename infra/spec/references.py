"""How a declaration refers to a secret or a registry: by the cloud's name of it, or by what the same program declares."""

from typing import Annotated, Any

import pydantic

from infra.spec.base import Cloud, Spec


class DeclaredSecret:
    """A secret that the same program declares. The cloud's name of it may be known only once it is there."""

    declared_name: str
    """What the program calls it."""
    env: str
    """The environment variable that carries its value in a worker."""

    def name_on(self, cloud: Cloud) -> Any:
        """The cloud's name of it: a text, or something that becomes one. Asking puts the secret into that cloud."""
        raise NotImplementedError


class DeclaredRegistry:
    """Credentials of an image registry that the same program declares."""

    declared_name: str

    def reference_on(self, cloud: Cloud) -> Any:
        """What the cloud calls them: a text, or something that becomes one. Asking puts them into that cloud."""
        raise NotImplementedError


def _secret(value: object) -> str | DeclaredSecret:
    if isinstance(value, str | DeclaredSecret):
        return value
    raise ValueError(f"found {value!r}. Wanted: a ModelSecret, or the cloud's name of a secret")


def _registry(value: object) -> str | DeclaredRegistry:
    if isinstance(value, str | DeclaredRegistry):
        return value
    raise ValueError(f"found {value!r}. Wanted: an ImageRegistry, or what the cloud calls its credentials")


def _in_words(value: Any) -> str:
    return value if isinstance(value, str) else str(value.declared_name)


class SecretRef(Spec):
    """A secret kept by the cloud, handed to workers as an environment variable; never its value.

    In a list of secrets a `ModelSecret` may stand for itself.
    """

    name: Annotated[
        str | DeclaredSecret,
        pydantic.PlainValidator(_secret),
        pydantic.PlainSerializer(_in_words, return_type=str),
    ]
    env: str
    """The environment variable that carries the value in the worker."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _stands_for_itself(cls, value: Any) -> Any:
        return {"name": value, "env": value.env} if isinstance(value, DeclaredSecret) else value

    def name_on(self, cloud: Cloud) -> Any:
        """The cloud's name of it: a text, or something that becomes one."""
        return self.name if isinstance(self.name, str) else self.name.name_on(cloud)


RegistryRef = Annotated[
    str | DeclaredRegistry,
    pydantic.PlainValidator(_registry),
    pydantic.PlainSerializer(_in_words, return_type=str),
]


def registry_on(cloud: Cloud, registry: str | DeclaredRegistry) -> Any:
    """What the cloud calls the credentials: a text, or something that becomes one."""
    return registry if isinstance(registry, str) else registry.reference_on(cloud)
