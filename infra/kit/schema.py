"""A provider's schema.json from its models. `python -m infra.kit.schema <module:provider>` prints it."""

import enum
import importlib
import json
import sys
import types
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Union, get_args, get_origin

from infra.kit.model import Change, Model, Shape, Spec, specs
from infra.kit.provider import Provider
from infra.kit.wire import to_wire

_PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean", Decimal: "string"}


def build(provider: Provider[Any]) -> dict[str, Any]:
    """Pulumi's package schema: config, provider, resources, functions and the nested types that they use."""
    types_: dict[str, Any] = {}
    writer = _Writer(provider, types_)
    resources = {}
    for key in provider.resources:
        token = provider.token(key)
        resource = provider.resource(token)
        assert resource is not None
        resources[token] = writer.resource(key, type(resource), resource.Inputs, resource.State)
    functions = {}
    for key in provider.invokes:
        token = provider.token(key)
        function = provider.function(token)
        assert function is not None
        functions[token] = {
            "description": function.desc or _doc(type(function)),
            "inputs": writer.object(function.Args),
            "outputs": writer.object(function.Result),
        }
    config = writer.object(provider.config)
    schema: dict[str, Any] = {
        "name": provider.name,
        "version": provider.version,
        "description": provider.description,
        "config": {"variables": config["properties"], "defaults": config.get("required", [])},
        "provider": {
            "description": f"Configuration of {provider.name}.",
            "inputProperties": config["properties"],
            "requiredInputs": config.get("required", []),
        },
        "resources": resources,
    }
    if functions:
        schema["functions"] = functions
    if types_:
        schema["types"] = dict(sorted(types_.items()))
    return schema


class _Writer:
    def __init__(self, provider: Provider[Any], found: dict[str, Any]) -> None:
        self._provider = provider
        self._types = found

    def resource(self, key: str, cls: type, inputs: type[Model], state: type[Model]) -> dict[str, Any]:
        settable = [spec for spec in specs(inputs) if not spec.meta.computed]
        return {
            "description": _doc(cls) or _doc(inputs) or key,
            "inputProperties": {spec.wire: self._property(spec) for spec in settable},
            "requiredInputs": sorted(spec.wire for spec in settable if spec.required),
            "properties": {spec.wire: self._property(spec, output=True) for spec in specs(state)},
            "required": sorted(spec.wire for spec in specs(state) if _always_there(spec)),
        }

    def object(self, model: type[Model]) -> dict[str, Any]:
        written: dict[str, Any] = {
            "type": "object",
            "properties": {spec.wire: self._property(spec) for spec in specs(model)},
        }
        if _doc(model):
            written["description"] = _doc(model)
        required = sorted(spec.wire for spec in specs(model) if spec.required)
        if required:
            written["required"] = required
        return written

    def _property(self, spec: Spec, *, output: bool = False) -> dict[str, Any]:
        meta = spec.meta
        written: dict[str, Any] = self._type(spec.shape)
        if spec.info.description:
            written["description"] = spec.info.description
        default = to_wire(spec.default)
        if isinstance(default, str | int | float | bool) and not output:
            written["default"] = default
        if meta.env and not output:
            written["defaultInfo"] = {"environment": [meta.env]}
        if meta.secret:
            written["secret"] = True
        if meta.change is not Change.UPDATE:
            written["replaceOnChanges"] = True
        if meta.deprecated:
            written["deprecationMessage"] = meta.deprecated
        return written

    def _type(self, shape: Shape) -> dict[str, Any]:
        if shape.kind == "model" and shape.model is not None:
            return self._ref(shape.model)
        if shape.kind in ("list", "set"):
            return {"type": "array", "items": self._type(shape.item or Shape("leaf", leaf=Any))}
        if shape.kind == "map":
            return {
                "type": "object",
                "additionalProperties": self._type(shape.item or Shape("leaf", leaf=Any)),
            }
        return self._leaf(shape.leaf)

    def _leaf(self, leaf: Any) -> dict[str, Any]:
        origin = get_origin(leaf)
        if leaf in _PRIMITIVES:
            return {"type": _PRIMITIVES[leaf]}
        if isinstance(leaf, type) and issubclass(leaf, enum.Enum):
            return self._enum(leaf)
        if isinstance(leaf, type) and issubclass(leaf, PurePath):
            return {"type": "string"}
        if origin in (Union, types.UnionType):
            arms = [self._arm(arg) for arg in get_args(leaf) if arg is not type(None)]
            return {"oneOf": arms}
        if getattr(leaf, "__name__", "") == "Literal" or str(origin) == "typing.Literal":
            return {"type": _PRIMITIVES.get(type(get_args(leaf)[0]), "string")}
        return {"$ref": "pulumi.json#/Any"}

    def _arm(self, annotation: Any) -> dict[str, Any]:
        from infra.kit.model import shape_of

        return self._type(shape_of(annotation))

    def _ref(self, model: type[Model]) -> dict[str, Any]:
        token = self._provider.token(model.__name__)
        if token not in self._types:
            self._types[token] = {}
            self._types[token] = self.object(model)
        return {"$ref": f"#/types/{token}"}

    def _enum(self, leaf: type[enum.Enum]) -> dict[str, Any]:
        token = self._provider.token(leaf.__name__)
        values = list(leaf)
        kind = "integer" if all(isinstance(member.value, int) for member in values) else "string"
        self._types[token] = {
            "type": kind,
            "description": _doc(leaf),
            "enum": [{"name": member.name, "value": member.value} for member in values],
        }
        return {"$ref": f"#/types/{token}"}


def _always_there(spec: Spec) -> bool:
    return spec.required or spec.meta.auto_name or (spec.default is not None and not spec.meta.write_only)


def _doc(cls: type) -> str:
    doc = cls.__dict__.get("__doc__") or ""
    return " ".join(doc.split())


def main(argv: list[str]) -> None:
    module, _, attribute = argv[0].partition(":")
    provider = getattr(importlib.import_module(module), attribute or "provider")
    json.dump(build(provider), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
