"""A provider: a name, a configuration, and resources that load when first asked for."""

import functools
import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from infra.kit.context import ConnectContext
from infra.kit.model import Model
from infra.kit.resource import Function, Resource
from infra.spec.findings import Gate

C = TypeVar("C")


class Provider(Generic[C]):
    """Data for `serve`. `resources` and `invokes` map a name to `module:Class`, imported at first use."""

    def __init__(
        self,
        *,
        name: str,
        version: str,
        config: type[Model],
        resources: Mapping[str, str],
        connect: Callable[[Any, ConnectContext], Awaitable[C]],
        gate: Gate | None = None,
        invokes: Mapping[str, str] | None = None,
        description: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.config = config
        self.resources = dict(resources)
        self.connect = connect
        self.gate = gate
        self.invokes = dict(invokes or {})
        self.description = description

    def token(self, key: str) -> str:
        return f"{self.name}:index:{key}"

    def key(self, token: str) -> str:
        return token.rsplit(":", 1)[-1]

    def resource(self, token: str) -> Resource[C, Any, Any] | None:
        """The resource behind a type token, None for a token that is not ours."""
        key = self.key(token)
        return self._resource(key) if key in self.resources and token == self.token(key) else None

    def function(self, token: str) -> Function[C] | None:
        key = self.key(token)
        return self._function(key) if key in self.invokes and token == self.token(key) else None

    @functools.cache  # noqa: B019 - a process has one provider, for its whole life
    def _resource(self, key: str) -> Resource[C, Any, Any]:
        made: Resource[C, Any, Any] = _load(self.resources[key])()
        return made

    @functools.cache  # noqa: B019
    def _function(self, key: str) -> Function[C]:
        made: Function[C] = _load(self.invokes[key])()
        return made


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(importlib.import_module(module), attribute)
