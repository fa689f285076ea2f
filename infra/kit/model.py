"""Pydantic models as the single source of a resource: what Pulumi's schema, Check, Diff and state are derived from."""

import enum
import functools
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from infra.spec.findings import UNKNOWN

_META = "pilotlight"


class Change(enum.Enum):
    """What a change of a field does: in place, a new object before the old goes, or the old goes first."""

    UPDATE = "update"
    REPLACE = "replace"
    REPLACE_DELETE_FIRST = "replace-delete-first"

    @property
    def replaces(self) -> bool:
        return self is not Change.UPDATE


@dataclass(frozen=True)
class Meta:
    """What Pulumi needs to know of a field beyond its type."""

    change: Change = Change.UPDATE
    secret: bool = False
    write_only: bool = False
    server_default: bool = False
    computed: bool = False
    auto_name: bool = False
    ignore: bool = False
    deprecated: str | None = None
    env: str | None = None


class Model(BaseModel):
    """Base of inputs, states, configurations and nested types: snake_case in Python, camelCase on the wire.

    Any field takes `UNKNOWN`, which a preview uses for what it cannot know yet.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_unknowns_pass(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if value is UNKNOWN:
            return value
        if isinstance(value, list) and any(item is UNKNOWN for item in value):
            shape = shape_of(cls.model_fields[info.field_name or ""].annotation)
            if shape.kind in ("list", "set") or (shape.kind == "leaf" and not isinstance(shape.leaf, type)):
                return _around_unknown_items(value, handler)
        if isinstance(value, dict) and any(item is UNKNOWN for item in value.values()):
            shape = shape_of(cls.model_fields[info.field_name or ""].annotation)
            if shape.kind == "map":
                return _around_unknown_values(value, handler)
        return handler(value)


def prop(
    default: Any = ...,
    *,
    desc: str,
    change: Change = Change.UPDATE,
    secret: bool = False,
    write_only: bool = False,
    server_default: bool = False,
    computed: bool = False,
    auto_name: bool = False,
    ignore: bool = False,
    deprecated: str | None = None,
    env: str | None = None,
    **pydantic_field_kwargs: Any,
) -> Any:
    """A field of a `Model`.

    `write_only`: the cloud never returns it, so Read carries the old input over. `server_default`: None means
    whatever the cloud chose, never a diff. `computed`: filled by `Resource.computed` in Check, users cannot set
    it. `auto_name`: a name is generated where unset. `ignore`: a change alone makes no call to the cloud.
    `env`: (provider configuration only) the environment variable read in Configure where the field is unset.
    """
    if (
        (computed or auto_name or server_default)
        and default is ...
        and "default_factory" not in pydantic_field_kwargs
    ):
        default = None
    meta = Meta(change, secret, write_only, server_default, computed, auto_name, ignore, deprecated, env)
    if "default_factory" in pydantic_field_kwargs:
        return Field(description=desc, json_schema_extra={_META: meta}, **pydantic_field_kwargs)  # type: ignore[dict-item]
    return Field(default, description=desc, json_schema_extra={_META: meta}, **pydantic_field_kwargs)  # type: ignore[dict-item]


@dataclass(frozen=True)
class Shape:
    """How a value is built: `model`, `list`, `set`, `map` (of `item`) or `leaf` (of `leaf`)."""

    kind: str
    model: type[Model] | None = None
    item: "Shape | None" = None
    leaf: Any = None


@dataclass(frozen=True)
class Spec:
    """One field of a model: its Python and wire names, its shape and its meta."""

    name: str
    wire: str
    shape: Shape
    meta: Meta
    info: FieldInfo
    required: bool

    @property
    def default(self) -> Any:
        """The default, or None for a required field."""
        return None if self.required else self.info.get_default(call_default_factory=True, validated_data={})


@functools.cache
def specs(model: type[Model]) -> tuple[Spec, ...]:
    return tuple(_spec(name, info) for name, info in model.model_fields.items())


@functools.cache
def by_wire(model: type[Model]) -> Mapping[str, Spec]:
    return {spec.wire: spec for spec in specs(model)}


def shape_of(annotation: Any) -> Shape:
    annotation = _bare(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return Shape("model", model=annotation)
    if origin in (list, tuple, Sequence):
        return Shape("list", item=shape_of(args[0]) if args else Shape("leaf", leaf=Any))
    if origin in (set, frozenset):
        return Shape("set", item=shape_of(args[0]))
    if origin in (dict, Mapping):
        return Shape("map", item=shape_of(args[1]))
    return Shape("leaf", leaf=annotation)


def _spec(name: str, info: FieldInfo) -> Spec:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    meta = extra.get(_META)
    return Spec(
        name=name,
        wire=info.alias or name,
        shape=shape_of(info.annotation),
        meta=meta if isinstance(meta, Meta) else Meta(),
        info=info,
        required=info.is_required(),
    )


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and without `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
            continue
        if origin in (Union, types.UnionType):
            rest = [arg for arg in get_args(annotation) if arg is not type(None)]
            if len(rest) == 1:
                annotation = rest[0]
                continue
        return annotation


def _around_unknown_items(value: list[Any], handler: ValidatorFunctionWrapHandler) -> Any:
    """Validate the known items in their places: a known sibling stands in for an unknown one."""
    known = next((item for item in value if item is not UNKNOWN), UNKNOWN)
    if known is UNKNOWN:
        return value
    validated = handler([known if item is UNKNOWN else item for item in value])
    if not isinstance(validated, list | tuple):
        return [*validated, UNKNOWN]
    return [UNKNOWN if raw is UNKNOWN else item for raw, item in zip(value, validated, strict=True)]


def _around_unknown_values(value: dict[Any, Any], handler: ValidatorFunctionWrapHandler) -> Any:
    """Validate the known values of a map and put the unknown ones back."""
    unknown = {key: item for key, item in value.items() if item is UNKNOWN}
    validated = handler({key: item for key, item in value.items() if item is not UNKNOWN})
    return {**validated, **unknown}
