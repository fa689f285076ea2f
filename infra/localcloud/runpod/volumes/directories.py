"""The files of network volumes: one directory each."""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class VolumeDirectories:
    """Implements `Volumes` below `root`. An id is a name of lower-case letters, digits and hyphens, or it is refused
    (KeyError, ValueError when created): it comes from requests."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._deleted = root / ".deleted"
        if self._deleted.exists():
            self._empty()

    def create(self, volume_id: str) -> None:
        """One that is there already keeps its files."""
        if not _ID.fullmatch(volume_id):
            raise ValueError(f"{volume_id!r} cannot be the id of a volume")
        (self._root / volume_id).mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, volume_id: str) -> Path:
        path = self._root / volume_id
        if not _ID.fullmatch(volume_id) or not path.is_dir():
            raise KeyError(volume_id)
        return path

    def remove(self, volume_id: str) -> None:
        """Gone at once under its name, however much is in it and whoever still has it mounted. None there: fine."""
        if not _ID.fullmatch(volume_id):
            return
        self._deleted.mkdir(parents=True, exist_ok=True, mode=0o700)
        grave = tempfile.mkdtemp(dir=self._deleted)
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._root / volume_id, grave)
        self._empty()

    def ids(self) -> list[str]:
        if not self._root.is_dir():
            return []
        return sorted(name for name in os.listdir(self._root) if _ID.fullmatch(name))

    def _empty(self) -> None:
        """Beside what goes on: it may take long. By `rm`, which directories cannot be nested too deeply for."""
        command = ["rm", "-rf", "--", *map(str, self._deleted.iterdir())]
        threading.Thread(target=subprocess.run, args=(command,), daemon=True).start()
