"""The program's side of a kit resource: one class per resource, typed by hand, wired by its models.

    class Endpoint(CustomResource):
        token = "pilotlight-runpod:index:Endpoint"
        inputs = EndpointInputs
        state = EndpointState
        url: pulumi.Output[str]

        def __init__(
            self, resource_name: str, *, image: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
        ) -> None:
            super().__init__(resource_name, locals(), opts)

Imports the Pulumi SDK, so provider processes never import this module.
"""

import copy
import enum
import inspect
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any, ClassVar

import pulumi

from infra.kit.model import Model, Shape, Spec, specs
from infra.kit.wire import to_wire

# What is in the `locals()` of a subclass's `__init__` beside its arguments.
_NO_ARGUMENTS = frozenset({"self", "resource_name", "opts", "__class__"})


class CustomResource(pulumi.CustomResource):
    """Takes arguments by their Python names, nested ones too; has an attribute for each argument that was given and
    for each field of the state that the class annotates. Others are not registered: an output that nobody asks for costs
    the program as much as one that somebody does.

    Values of nested outputs keep their wire names (`endpoint.request_urls["runSync"]`).
    """

    token: ClassVar[str]
    inputs: ClassVar[type[Model]]
    state: ClassVar[type[Model]]

    def __init__(
        self,
        resource_name: str,
        args: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        known = {spec.name: spec for spec in specs(self.inputs)}
        annotated = {name for cls in type(self).__mro__ for name in inspect.get_annotations(cls)}
        props: dict[str, Any] = {spec.wire: None for spec in specs(self.state) if spec.name in annotated}
        for name, value in args.items():
            if value is None or name in _NO_ARGUMENTS:
                continue
            spec = known.get(name)
            props[spec.wire if spec else name] = wire_value(value, spec.shape if spec else Shape("leaf"))
        super().__init__(self.token, resource_name, props, _options(opts, self.state))
        for spec in specs(self.state):
            # The SDK sets attributes under the wire name. Its own translation would reach into users' maps.
            if spec.name not in self.__dict__ and spec.wire in self.__dict__:
                self.__dict__[spec.name] = self.__dict__[spec.wire]


def wire_value(value: Any, shape: Shape) -> Any:
    """An argument in wire form. Keys of user maps stay as they are, outputs are converted when they are known."""
    if isinstance(value, pulumi.Output) or inspect.isawaitable(value):
        if not _has_model(shape):
            return value
        return pulumi.Output.from_input(value).apply(lambda known: wire_value(known, shape))
    if isinstance(value, Model):
        return to_wire(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        if shape.kind == "model" and shape.model is not None:
            return _object(value, shape.model)
        item = shape.item or Shape("leaf")
        return {key: wire_value(inner, item) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((wire_value(inner, shape.item or Shape("leaf")) for inner in value), key=repr)
    if isinstance(value, list | tuple):
        return [wire_value(inner, shape.item or Shape("leaf")) for inner in value]
    return value


def _object(value: Mapping[str, Any], model: type[Model]) -> dict[str, Any]:
    """Either spelling of a key is taken; an unknown key goes on to Check, which names its neighbours."""
    known: dict[str, Spec] = {}
    for spec in specs(model):
        known[spec.name] = known[spec.wire] = spec
    converted = {}
    for key, inner in value.items():
        spec_ = known.get(key)
        converted[spec_.wire if spec_ else key] = wire_value(inner, spec_.shape if spec_ else Shape("leaf"))
    return converted


def _has_model(shape: Shape) -> bool:
    return shape.kind == "model" or (shape.item is not None and _has_model(shape.item))


def _options(opts: pulumi.ResourceOptions | None, state: type[Model]) -> pulumi.ResourceOptions:
    """Paths in options by either spelling, and the state's secrets as additional secret outputs."""
    opts = copy.copy(opts) if opts is not None else pulumi.ResourceOptions()
    names = {spec.name: spec.wire for spec in specs(state)}
    for option in ("ignore_changes", "replace_on_changes"):
        paths = getattr(opts, option)
        if isinstance(paths, list):
            setattr(opts, option, [_rename(path, names) for path in paths])
    secret = [spec.wire for spec in specs(state) if spec.meta.secret]
    more = [_rename(path, names) for path in opts.additional_secret_outputs or []]
    opts.additional_secret_outputs = [*secret, *(path for path in more if path not in secret)] or None
    return opts


def _rename(path: str, names: Mapping[str, str]) -> str:
    head = path.split(".", 1)[0].split("[", 1)[0]
    return names.get(head, head) + path[len(head) :]
