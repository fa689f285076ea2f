"""The account's secrets. A value goes in and never comes out, except into the environment of a container that starts."""

import re
from typing import Any

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.rest.problems import Problem, bad_request
from infra.localcloud.runpod.rest.rows import Rows

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
MAX_VALUE_BYTES = 64 << 10


class SecretBook:
    """Implements `infra.localcloud.runpod.model.Secrets`. What it hands out besides has no value in it.

    Values lie in the store, whose file only its owner may read.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._rows = Rows(store, "secrets", "secret", id_length=25)
        self._clock = clock

    def secret(self, name: str) -> str | None:
        row = self._named(name)
        return None if row is None else str(row["value"])

    def all(self) -> list[dict[str, Any]]:
        return [_shown(row) for row in self._rows.all()]

    def create(self, name: str, value: str, description: str) -> dict[str, Any]:
        """Raises Problem 400, which never has the value in it."""
        if not _NAME.fullmatch(name):
            raise bad_request("secret name must be 1 to 128 letters, digits, '_', '-' or '.'")
        if self._named(name) is not None:
            raise Problem(409, f"secret name must be unique: '{name}' already exists")
        row = {
            "name": name,
            "value": _checked(value),
            "description": description,
            "createdAt": self._clock.now(),
        }
        return _shown(self._rows.add(row))

    def set_value(self, id: str, value: str) -> dict[str, Any]:
        row = self._rows.get(id) | {"value": _checked(value)}
        self._rows.save(row)
        return _shown(row)

    def set_description(self, id: str, description: str) -> dict[str, Any]:
        row = self._rows.get(id) | {"description": description}
        self._rows.save(row)
        return _shown(row)

    def delete(self, id: str) -> None:
        self._rows.get(id)
        self._rows.remove(id)

    def _named(self, name: str) -> dict[str, Any] | None:
        return next((row for row in self._rows.all() if row["name"] == name), None)


def _checked(value: str) -> str:
    if not value:
        raise bad_request("secret value must not be empty")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise bad_request(f"secret value must not be longer than {MAX_VALUE_BYTES} bytes")
    return value


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "name", "description", "createdAt")}
