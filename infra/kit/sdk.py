"""The program's side of a kit resource: one class per resource, typed by hand, wired by the names of its model.

    class Endpoint(CustomResource):
        token = "pilotlight-runpod:index:Endpoint"
        names = read("infra.runpod.sdk")["Endpoint"]
        url: pulumi.Output[str]

        def __init__(
            self, resource_name: str, *, image: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
        ) -> None:
            super().__init__(resource_name, locals(), opts)

Imports the Pulumi SDK, so provider processes never import this module; and loads no model, so programs start fast.
"""

import copy
import enum
import inspect
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any, ClassVar

import pulumi

from infra.kit.names import NO_NAMES, Names

# What is in the `locals()` of a subclass's `__init__` beside its arguments.
_NO_ARGUMENTS = frozenset({"self", "resource_name", "opts", "__class__"})


class CustomResource(pulumi.CustomResource):
    """Takes arguments by their Python names, nested ones too; has an attribute for each argument that was given and
    for each field of the state that the class annotates. Others are not registered: an output that nobody asks for costs
    the program as much as one that somebody does.

    Values of nested outputs keep their wire names (`endpoint.request_urls["runSync"]`).
    """

    token: ClassVar[str]
    names: ClassVar[Names]
    _annotated: ClassVar[frozenset[str]]

    def __init_subclass__(cls) -> None:
        cls._annotated = frozenset(name for base in cls.__mro__ for name in inspect.get_annotations(base))

    def __init__(
        self,
        resource_name: str,
        args: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        names = self.names
        props: dict[str, Any] = {wire: None for name, wire in names.wire.items() if name in self._annotated}
        for name, value in args.items():
            if value is None or name in _NO_ARGUMENTS:
                continue
            props[names.wire.get(name, name)] = wire_value(value, names.inside.get(name, NO_NAMES))
        super().__init__(self.token, resource_name, props, _options(opts, names))
        for name, wire in names.wire.items():
            # The SDK sets attributes under the wire name. Its own translation would reach into users' maps.
            if name not in self.__dict__ and wire in self.__dict__:
                self.__dict__[name] = self.__dict__[wire]


def wire_value(value: Any, names: Names) -> Any:
    """An argument in wire form. Keys of user maps stay as they are, outputs are converted when they are known."""
    if isinstance(value, pulumi.Output) or inspect.isawaitable(value):
        if names is NO_NAMES:
            return value
        return pulumi.Output.from_input(value).apply(lambda known: wire_value(known, names))
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        if names.wire:
            return _object(value, names)
        return {key: wire_value(inner, names.each or NO_NAMES) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((wire_value(inner, names.each or NO_NAMES) for inner in value), key=repr)
    if isinstance(value, list | tuple):
        return [wire_value(inner, names.each or NO_NAMES) for inner in value]
    if hasattr(type(value), "model_fields"):
        from infra.kit.wire import to_wire

        return to_wire(value)
    return value


def _object(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Either spelling of a key is taken; an unknown key goes on to Check, which names its neighbours."""
    python = {wire: name for name, wire in names.wire.items()}
    return {
        names.wire.get(key, key): wire_value(inner, names.inside.get(python.get(key, key), NO_NAMES))
        for key, inner in value.items()
    }


def _options(opts: pulumi.ResourceOptions | None, names: Names) -> pulumi.ResourceOptions:
    """Paths in options by either spelling, and the state's secrets as additional secret outputs."""
    opts = copy.copy(opts) if opts is not None else pulumi.ResourceOptions()
    for option in ("ignore_changes", "replace_on_changes"):
        paths = getattr(opts, option)
        if isinstance(paths, list):
            setattr(opts, option, [_rename(path, names.wire) for path in paths])
    more = [_rename(path, names.wire) for path in opts.additional_secret_outputs or []]
    opts.additional_secret_outputs = [
        *names.secret,
        *(path for path in more if path not in names.secret),
    ] or None
    return opts


def _rename(path: str, names: Mapping[str, str]) -> str:
    head = path.split(".", 1)[0].split("[", 1)[0]
    return names.get(head, head) + path[len(head) :]
