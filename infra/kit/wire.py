"""Pulumi's wire form: protobuf structs with signatures for secrets and unknowns <-> plain trees and models."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final

from google.protobuf import struct_pb2

from infra.kit.model import Model, specs
from infra.spec.findings import UNKNOWN

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Tree = dict[str, Any]
Path = tuple[str | int, ...]


class Secret:
    """A value that must be stored encrypted. Prints as `[secret]`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "[secret]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        return hash(("secret", str(self.value)))


def decode(struct: struct_pb2.Struct) -> Tree:
    """A property map as a tree: nulls dropped, secrets as `Secret`, unknowns as `UNKNOWN`, whole doubles as ints."""
    return {key: value for key, raw in struct.fields.items() if (value := _decode(raw)) is not None}


def encode(tree: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key, value in tree.items():
        _encode(value, struct.fields[key])
    return struct


def to_wire(value: Any) -> Any:
    """A model (or any value in one) as a tree with wire names; fields that are None are absent."""
    if isinstance(value, Model):
        return {
            spec.wire: to_wire(item)
            for spec in specs(type(value))
            if (item := getattr(value, spec.name, None)) is not None
        }
    if value is UNKNOWN or value is None or isinstance(value, bool | int | float | Secret):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_wire(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((to_wire(item) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    if isinstance(value, Decimal | PurePath):
        return str(value)
    return str(value)


def plain(value: Any) -> Any:
    """The tree without its secret wrappers (unknowns stay)."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def secret_paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Where a tree has secrets, outermost only."""
    if isinstance(value, Secret):
        yield at
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from secret_paths(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secret_paths(item, (*at, index))


def secret_texts(value: Any, inside: bool = False) -> Iterator[str]:
    """Every text held by a secret of the tree: what no message may contain."""
    if isinstance(value, Secret):
        yield from secret_texts(value.value, True)
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_texts(item, inside)
    elif isinstance(value, list):
        for item in value:
            yield from secret_texts(item, inside)
    elif inside and isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def wrap(value: Any, paths: Iterable[Path]) -> Any:
    """The tree with what lies at `paths` made secret; a path that leads nowhere is passed over."""
    for path in paths:
        value = _wrap(value, path)
    return value


def schema_secret_paths(model: type[Model], value: Any, at: Path = ()) -> Iterator[Path]:
    """Where a tree of `model` holds what its fields declare secret."""
    if not isinstance(value, dict):
        return
    for spec in specs(model):
        item = value.get(spec.wire)
        if item is None:
            continue
        here = (*at, spec.wire)
        if spec.meta.secret:
            yield here
        elif spec.shape.model is not None:
            yield from schema_secret_paths(spec.shape.model, item, here)
        elif spec.shape.item is not None and spec.shape.item.model is not None:
            items: Iterable[tuple[str | int, Any]] = ()
            if isinstance(item, list):
                items = enumerate(item)
            elif isinstance(item, dict):
                items = item.items()
            for key, inner in items:
                yield from schema_secret_paths(spec.shape.item.model, inner, (*here, key))


def has_unknown(value: Any) -> bool:
    if value is UNKNOWN:
        return True
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return False


def show_path(path: Iterable[str | int]) -> str:
    """`("env", "A.B", 0)` as Pulumi writes it: `env["A.B"][0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part == "" or any(char in part for char in '."[]'):
            text += '["' + part.replace('"', '\\"') + '"]'
        else:
            text += f".{part}" if text else part
    return text


def _decode(raw: struct_pb2.Value) -> Any:
    kind = raw.WhichOneof("kind")
    if kind == "string_value":
        text = raw.string_value
        return UNKNOWN if text == UNKNOWN_TEXT else text
    if kind == "number_value":
        number = raw.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "bool_value":
        return raw.bool_value
    if kind == "list_value":
        return [_decode(item) for item in raw.list_value.values]
    if kind == "struct_value":
        return _decode_struct(raw.struct_value)
    return None


def _decode_struct(struct: struct_pb2.Struct) -> Any:
    fields = struct.fields
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature == SECRET:
        return Secret(_decode(fields["value"]))
    if signature == OUTPUT:
        value = _decode(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(value) if "secret" in fields and fields["secret"].bool_value else value
    if signature == RESOURCE:
        return _decode(fields["id"]) if "id" in fields else fields["urn"].string_value
    return {key: value for key, raw in fields.items() if (value := _decode(raw)) is not None}


def _encode(value: Any, into: struct_pb2.Value) -> None:
    if value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        into.string_value = UNKNOWN_TEXT
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int | float):
        into.number_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, Secret):
        fields = into.struct_value.fields
        fields[SIGNATURE].string_value = SECRET
        _encode(value.value, fields["value"])
    elif isinstance(value, Mapping):
        into.struct_value.SetInParent()
        fields = into.struct_value.fields
        for key, item in value.items():
            _encode(item, fields[key])
    elif isinstance(value, list | tuple):
        into.list_value.SetInParent()
        for item in value:
            _encode(item, into.list_value.values.add())
    else:
        raise TypeError(f"a {type(value).__name__} has no wire form")


def _wrap(value: Any, path: Path) -> Any:
    if isinstance(value, Secret) or value is None:
        return value
    if not path:
        return Secret(value)
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(head, str) and head in value:
        return {**value, head: _wrap(value[head], rest)}
    if isinstance(value, list) and isinstance(head, int) and head < len(value):
        return [_wrap(item, rest) if index == head else item for index, item in enumerate(value)]
    return value
