"""What is wrong with a safetensors file, told from its header alone (milliseconds for any size).

Stricter than the reference loader where that one accepts what the format forbids or what no writer produces: a header
that does not start with `{`, a tensor named twice, names with control characters or `..`, unknown fields, no tensor.
Format: 8 bytes little-endian header length, the JSON header, then the tensors' bytes without holes.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 100_000_000
MAX_NAME_BYTES = 1024
METADATA = "__metadata__"

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


class Corrupt(Exception):
    """The header cannot be read; the text says why."""


def problems(path: Path) -> list[str]:
    """Every reason to refuse this file; empty when it is sound."""
    try:
        header, data_bytes = read_header(path)
    except Corrupt as error:
        return [str(error)]
    return _tensor_problems(header, data_bytes)


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The parsed header and the number of bytes that follow it. Raises `Corrupt`."""
    size = os.stat(path).st_size
    if size < 8:
        raise Corrupt(f"is {size} bytes long; a safetensors file starts with 8 bytes of header length")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise Corrupt(f"claims a header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
        if length > size - 8:
            raise Corrupt(
                f"claims a header of {length} bytes but only {size - 8} follow: cut short or not safetensors"
            )
        raw = file.read(length)
    return _parse(raw), size - 8 - length


def tensor_names(header: Mapping[str, Any]) -> set[str]:
    return {name for name in header if name != METADATA}


def _parse(raw: bytes) -> dict[str, Any]:
    if raw[:1] != b"{":
        raise Corrupt("has a header that does not start with '{'")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Corrupt("has a header that is not UTF-8") from error
    except RecursionError as error:
        raise Corrupt("has a header nested too deeply") from error
    except ValueError as error:
        raise Corrupt(f"has a header that is not JSON: {error}") from error
    assert isinstance(header, dict)
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise Corrupt(f"names {key!r} twice in its header")
        seen[key] = value
    return seen


def _no_constant(text: str) -> Any:
    raise Corrupt(f"has {text} in its header, which is not JSON")


def _tensor_problems(header: Mapping[str, Any], data_bytes: int) -> list[str]:
    found = _metadata_problems(header.get(METADATA, {}))
    spans: list[tuple[int, int, str]] = []
    for name in sorted(tensor_names(header)):
        reasons = _name_problems(name)
        entry = _entry_problem(header[name])
        if entry is None:
            begin, end = header[name]["data_offsets"]
            spans.append((begin, end, name))
        else:
            reasons.append(entry)
        found += [f"tensor {name!r} {reason}" for reason in reasons]
    if not tensor_names(header):
        found.append("holds no tensor")
    return found or _layout_problems(spans, data_bytes)


def _metadata_problems(metadata: Any) -> list[str]:
    if isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values()):
        return []
    return [f"has a {METADATA} that is not a map of strings"]


def _name_problems(name: str) -> list[str]:
    if not name:
        return ["has an empty name"]
    found = []
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in name):
        found.append("has a control character in its name")
    if ".." in name.replace("\\", "/").split("/"):
        found.append("has '..' as a path step in its name")
    if len(name) > MAX_NAME_BYTES:
        found.append(f"has a name longer than {MAX_NAME_BYTES} characters")
    return found


def _entry_problem(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return "is not described by an object"
    missing = {"dtype", "shape", "data_offsets"} - entry.keys()
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    extra = entry.keys() - {"dtype", "shape", "data_offsets"}
    if extra:
        return f"has unknown fields: {', '.join(sorted(extra))}"
    bits = BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if bits is None:
        return f"has unknown dtype {entry['dtype']!r}"
    return _size_problem(entry["shape"], entry["data_offsets"], bits)


def _size_problem(shape: Any, offsets: Any, bits: int) -> str | None:
    if not (isinstance(shape, list) and all(_is_count(dim) for dim in shape)):
        return f"has shape {shape!r}; wanted whole numbers from 0"
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(_is_count(offset) for offset in offsets)):
        return f"has data_offsets {offsets!r}; wanted two whole numbers from 0"
    begin, end = offsets
    if begin > end:
        return f"ends ({end}) before it begins ({begin})"
    total = bits
    for dim in shape:
        total *= dim
        if total >= 2**67:
            return f"has shape {shape!r}, which is more bytes than a file can hold"
    if total % 8:
        return f"takes {total} bits, which is not a whole number of bytes"
    if total // 8 != end - begin:
        return f"has {end - begin} bytes but shape and dtype make {total // 8}"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _layout_problems(spans: list[tuple[int, int, str]], data_bytes: int) -> list[str]:
    at = 0
    for begin, end, name in sorted(spans):
        if begin > at:
            return [f"has a hole of {begin - at} bytes before tensor {name!r}"]
        if begin < at:
            return [f"has tensor {name!r} overlapping the one before it"]
        at = end
    if at > data_bytes:
        return [f"is cut short: its tensors need {at} bytes and {data_bytes} are there"]
    if at < data_bytes:
        return [f"has {data_bytes - at} bytes after its last tensor"]
    return []
