"""Is this file a pickle, whatever its name? A pickle runs code when it is loaded.

Told by content: the protocol bytes, a zip that holds `data.pkl` (torch's format, also behind another file's bytes),
a numpy array of objects, or text that parses to its end as an old pickle which imports names.
"""

import pickletools
import zipfile
from pathlib import Path

from infra.artifacts.safetensors import MAX_HEADER_BYTES

_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")
_OLD_PICKLE_BYTES = 1 << 20
_IMPORTING = {"GLOBAL", "STACK_GLOBAL", "INST", "REDUCE"}


def pickle_kind(path: Path) -> str | None:
    """What kind of pickle the file is, in words, or None."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(256)
    if head[:1] == b"\x80" and head[1:2] in _PROTOCOLS and not _is_header_length(head):
        return "a Python pickle"
    if head.startswith(b"\x93NUMPY") and b"|O" in head:
        return "a numpy array of pickled objects"
    if zipfile.is_zipfile(path) and (inner := _pickle_in_zip(path)):
        return f"a zip with a pickle in it ({inner})"
    if 0 < size <= _OLD_PICKLE_BYTES and _is_old_pickle(path.read_bytes()):
        return "a Python pickle of the old text format"
    return None


def _is_header_length(head: bytes) -> bool:
    """A safetensors header may be so long that its length begins with a pickle's first two bytes."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER_BYTES


def _pickle_in_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return next((name for name in archive.namelist() if name.endswith((".pkl", ".pickle"))), None)
    except (zipfile.BadZipFile, OSError, ValueError):
        return None


def _is_old_pickle(data: bytes) -> bool:
    imports = False
    try:
        for opcode, _, position in pickletools.genops(data):
            imports = imports or opcode.name in _IMPORTING
            if opcode.name == "STOP":
                return imports and position is not None and not data[position + 1 :].strip()
    except Exception:
        return False
    return False
