"""Makers of safetensors files, sound and broken."""

import json
import struct
from pathlib import Path
from typing import Any


def st_bytes(header: Any, data: bytes = b"", *, raw: bytes | None = None, length: int | None = None) -> bytes:
    """A safetensors file; `raw` gives the header's bytes as they are, `length` lies about them."""
    body = raw if raw is not None else json.dumps(header).encode()
    return struct.pack("<Q", len(body) if length is None else length) + body + data


def tensor(begin: int, end: int, shape: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write_sound(
    path: Path, names: tuple[str, ...] = ("a", "b"), *, floats: int = 4, fill: bytes = b"\x01"
) -> Path:
    size = floats * 4
    header = {name: tensor(i * size, (i + 1) * size, [floats]) for i, name in enumerate(names)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(st_bytes(header, fill * (size * len(names))))
    return path
