"""One kind of resource in the store: JSON objects by id, oldest first."""

import secrets
import string
from collections.abc import Callable
from typing import Any

from infra.localcloud.core.store import Store
from infra.localcloud.runpod.rest.problems import not_found

_ALPHABET = string.ascii_lowercase + string.digits


class Rows:
    """`kind` is the store's namespace, `what` the word for one of them in a 404."""

    def __init__(self, store: Store, kind: str, what: str, id_length: int = 10) -> None:
        self._kv = store.kv(f"runpod.{kind}")
        self._what = what
        self._id_length = id_length

    def all(self) -> list[dict[str, Any]]:
        return sorted((row for _, row in self._kv.items()), key=lambda row: row["order"])

    def find(self, id: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self._kv.get(id)
        return row

    def get(self, id: str) -> dict[str, Any]:
        """Raises Problem 404."""
        row = self.find(id)
        if row is None:
            raise not_found(self._what)
        return row

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as kept, with an id (its own if it has one) after all others."""
        last = max((kept["order"] for kept in self.all()), default=0)
        row = {"id": self.new_id(), **row, "order": last + 1}
        self._kv.put(row["id"], row)
        return row

    def save(self, row: dict[str, Any]) -> None:
        self._kv.put(row["id"], row)

    def remove(self, id: str) -> None:
        self._kv.delete(id)

    def new_id(self) -> str:
        return new_id(self._id_length, lambda id: self.find(id) is not None)


def new_id(length: int, taken: Callable[[str], bool]) -> str:
    """Lower-case letters and digits, as RunPod's own ids."""
    while True:
        id = "".join(secrets.choice(_ALPHABET) for _ in range(length))
        if not taken(id):
            return id
