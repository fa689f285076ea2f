"""The local cloud's memory: one SQLite file that survives restarts and kills."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE endpoints (id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE releases (
    endpoint_id TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, version)
) WITHOUT ROWID;
CREATE TABLE usage (
    endpoint_id TEXT NOT NULL, worker_id TEXT NOT NULL, started_at REAL NOT NULL, stopped_at REAL NOT NULL,
    gpu_type_id TEXT, gpu_count INTEGER NOT NULL, vcpu INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, worker_id, started_at)
) WITHOUT ROWID;
CREATE TABLE kv (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
"""


class StoreError(PilotlightError):
    """The state file cannot be used."""


class Store:
    """Endpoints, releases, usage and namespaced JSON values.

    Every call commits by itself unless inside `transaction`. Commits go to the write-ahead log without waiting for
    the disk: a killed daemon loses nothing, a power cut at most the last moments, never the file. Only its owner may
    read it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Secrets lie in it; what SQLite puts beside it gets the same mode.
        path.touch(mode=0o600)
        path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._migrate(path)
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(
                f"The local cloud's state {path} cannot be read: {error}.",
                fix="Stop other daemons that use it, or forget everything with `pilotlight cloud reset`.",
            ) from error
        except StoreError:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become one commit, or none on an exception. Do not await inside; may be nested."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def kv(self, namespace: str) -> "Namespace":
        return Namespace(self, self._db, namespace)

    # Endpoints and their releases

    def endpoints(self) -> list[dict[str, Any]]:
        """All endpoints, oldest first."""
        rows = self._db.execute("SELECT data FROM endpoints ORDER BY rowid")
        return [json.loads(data) for (data,) in rows]

    def endpoint(self, endpoint_id: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT data FROM endpoints WHERE id = ?", (endpoint_id,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def save_endpoint(self, endpoint_id: str, data: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO endpoints VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (endpoint_id, _dump(data)),
        )

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Forgets the endpoint and its releases; what it has used stays on the bill."""
        with self.transaction():
            self._db.execute("DELETE FROM endpoints WHERE id = ?", (endpoint_id,))
            self._db.execute("DELETE FROM releases WHERE endpoint_id = ?", (endpoint_id,))

    def add_release(self, endpoint_id: str, version: int, data: dict[str, Any]) -> None:
        self._db.execute("INSERT INTO releases VALUES (?, ?, ?)", (endpoint_id, version, _dump(data)))

    def releases(self, endpoint_id: str) -> list[dict[str, Any]]:
        """Newest first."""
        rows = self._db.execute(
            "SELECT data FROM releases WHERE endpoint_id = ? ORDER BY version DESC", (endpoint_id,)
        )
        return [json.loads(data) for (data,) in rows]

    # Usage (the meter's rows)

    def save_usage(self, row: tuple[str, str, float, float, str | None, int, int, dict[str, Any]]) -> None:
        """(endpoint, worker, start, stop, GPU type, GPUs, vCPUs, data); a later stop of the same run replaces it."""
        self._db.execute(
            "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " stopped_at = max(stopped_at, excluded.stopped_at), data = excluded.data",
            (*row[:7], _dump(row[7])),
        )

    def usage(self, since: float, until: float) -> list[tuple[str, str, float, float, str | None, int, int]]:
        """Runs that overlap the time between (seconds since the epoch), a second's rounding included."""
        return self._db.execute(
            "SELECT endpoint_id, worker_id, started_at, stopped_at, gpu_type_id, gpu_count, vcpu FROM usage"
            " WHERE stopped_at + 1 > ? AND started_at < ?",
            (since, until),
        ).fetchall()

    def _migrate(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"The local cloud's state {path} was written by a newer Pilotlight (schema {version}).",
                wanted=f"schema {SCHEMA_VERSION} or older",
                fix="Update Pilotlight, or forget everything with `pilotlight cloud reset`.",
            )
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


class Namespace:
    """JSON values by key, apart from every other namespace."""

    def __init__(self, store: Store, db: sqlite3.Connection, name: str) -> None:
        self._store = store
        self._db = db
        self._name = name

    def put(self, key: str, value: Any) -> None:
        self._db.execute(
            "INSERT INTO kv VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (self._name, key, _dump(value)),
        )

    def put_many(self, values: dict[str, Any]) -> None:
        with self._store.transaction():
            for key, value in values.items():
                self.put(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        row = self._db.execute(
            "SELECT value FROM kv WHERE namespace = ? AND key = ?", (self._name, key)
        ).fetchone()
        return default if row is None else json.loads(row[0])

    def delete(self, *keys: str) -> None:
        with self._store.transaction():
            self._db.executemany(
                "DELETE FROM kv WHERE namespace = ? AND key = ?", [(self._name, key) for key in keys]
            )

    def clear(self) -> None:
        self._db.execute("DELETE FROM kv WHERE namespace = ?", (self._name,))

    def items(self) -> list[tuple[str, Any]]:
        """All, by key."""
        rows = self._db.execute("SELECT key, value FROM kv WHERE namespace = ? ORDER BY key", (self._name,))
        return [(key, json.loads(value)) for key, value in rows]


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
