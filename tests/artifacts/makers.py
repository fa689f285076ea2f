"""Makers of the files that tests need: safetensors, wheels, source distributions."""

import io
import json
import struct
import tarfile
import zipfile
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


def write_wheel(folder: Path, name: str, version: str = "1.0", source: str = "X = 1\n") -> Path:
    """A wheel of one module, with a script, as a build tool would make it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


def write_sdist(folder: Path, name: str, version: str = "1.0") -> Path:
    """A package that comes as source only."""
    top = f"{name}-{version}"
    files = {
        f"{top}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{top}/setup.py": "raise SystemExit('setup.py was run')\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path
