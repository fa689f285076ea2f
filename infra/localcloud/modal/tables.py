"""Records that survive a restart: dataclasses in memory, and as JSON in the local cloud's SQLite file."""

import base64
import dataclasses
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from modal_proto import api_pb2

from infra.localcloud.core.store import Namespace

T = TypeVar("T")


class Table(Generic[T]):
    """All records of one kind by id. A record that was changed in place is kept only after `put`."""

    def __init__(self, namespace: Namespace, record: type[T], key: str) -> None:
        self._namespace = namespace
        self._record = record
        self._key = key
        self._rows: dict[str, T] = {name: self._load(value) for name, value in namespace.items()}

    def put(self, record: T) -> T:
        key = str(getattr(record, self._key))
        fields = dataclasses.fields(record)  # type: ignore[arg-type]
        self._namespace.put(key, {item.name: _pack(getattr(record, item.name)) for item in fields})
        self._rows[key] = record
        return record

    def delete(self, key: str) -> None:
        self._namespace.delete(key)
        self._rows.pop(key, None)

    def get(self, key: str) -> T | None:
        return self._rows.get(key)

    def values(self) -> list[T]:
        return list(self._rows.values())

    def __getitem__(self, key: str) -> T:
        return self._rows[key]

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def _load(self, value: dict[str, Any]) -> T:
        known = {item.name for item in dataclasses.fields(self._record)}  # type: ignore[arg-type]
        return self._record(**{name: _unpack(item) for name, item in value.items() if name in known})


def _pack(value: Any) -> Any:
    if isinstance(value, Message):
        return {"$proto": value.DESCRIPTOR.name, "data": _text(value.SerializeToString(deterministic=True))}
    if isinstance(value, bytes):
        return {"$bytes": _text(value)}
    if isinstance(value, dict):
        return {"$map": [[_pack(key), _pack(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: _pack(getattr(value, item.name)) for item in dataclasses.fields(value)}
        return {"$record": type(value).__name__, "fields": fields}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$proto" in value:
        return getattr(api_pb2, value["$proto"]).FromString(base64.b64decode(value["data"]))
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$record" in value:
        from infra.localcloud.modal import model

        fields = {name: _unpack(item) for name, item in value["fields"].items()}
        return getattr(model, value["$record"])(**fields)
    return {_unpack(key): _unpack(item) for key, item in value["$map"]}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
