"""SHA-256 of files, remembered by identity so that a preview of gigabytes is instant."""

import hashlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Self

_RACY_NS = 100_000_000
"""A file written this shortly before it was hashed may change once more without a new time stamp."""


class FileId(tuple[int, int, int, int]):
    """(size, mtime ns, ctime ns, inode): equal while a file has not been touched."""

    @classmethod
    def of(cls, path: Path) -> Self:
        stat = os.stat(path)
        return cls((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))

    @property
    def size(self) -> int:
        return self[0]


class HashCache:
    """Hashes by path and identity, in one SQLite file that several processes may share. None = remember nothing."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._db: sqlite3.Connection | None = None

    def sha256(self, path: Path) -> str:
        """Hex SHA-256 of the file's bytes; read from the cache when the file has not been touched since."""
        key, identity = str(path.resolve()), FileId.of(path)
        known = self._look_up(key, identity)
        if known is not None:
            return known
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if FileId.of(path) == identity and time.time_ns() - max(identity[1], identity[2]) > _RACY_NS:
            self._remember(key, identity, digest)
        return digest

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _look_up(self, key: str, identity: FileId) -> str | None:
        row = self._ask("SELECT identity, sha256 FROM hashes WHERE path = ?", key)
        return str(row[1]) if row and row[0] == repr(tuple(identity)) else None

    def _remember(self, key: str, identity: FileId, digest: str) -> None:
        self._ask("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", key, repr(tuple(identity)), digest)

    def _ask(self, statement: str, *values: str) -> tuple[str, str] | None:
        """A cache that fails is no reason to fail: the hash is computed."""
        try:
            db = self._open()
            found: tuple[str, str] | None = (
                db.execute(statement, values).fetchone() if db is not None else None
            )
        except (OSError, sqlite3.Error):
            self._file = None
            self.close()
            return None
        return found

    def _open(self) -> sqlite3.Connection | None:
        if self._db is None and self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._file, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, identity TEXT, sha256 TEXT)"
            )
        return self._db
