"""Layers kept by the hash of what they are made from: an unchanged input is neither built nor compressed again."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from infra.artifacts.oci.tar import Entry, Layer, write_layer


class LayerCache:
    """One directory: `<key>.json` describes a layer, `sha256-<hex>.tar.gz` is it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, key: str) -> Layer | None:
        """None when unknown, or when the file is gone or not as it was left."""
        try:
            noted = json.loads((self.directory / f"{key}.json").read_bytes())
            layer = Layer(noted["digest"], noted["diff_id"], noted["size"], self.blob(noted["digest"]))
            return layer if layer.file.stat().st_size == layer.size else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def layer(self, key: str, make: Callable[[], Iterable[Entry]]) -> Layer:
        """The layer known under `key`, or made now from the entries that `make` gives."""
        known = self.get(key)
        if known is not None:
            return known
        made = write_layer(make(), self.directory)
        note = {"digest": made.digest, "diff_id": made.diff_id, "size": made.size}
        temporary = self.directory / f".{key}.{os.getpid()}.json"
        temporary.write_text(json.dumps(note))
        os.replace(temporary, self.directory / f"{key}.json")
        return made

    def blob(self, digest: str) -> Path:
        return self.directory / f"{digest.replace(':', '-')}.tar.gz"


def key_of(*parts: Any) -> str:
    """A cache key: hex SHA-256 of the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
