"""Every file here is refused, with the reason; the sound ones are not. Each case is made by hand, byte by byte."""

import importlib.util
import json
import struct
from pathlib import Path

import pytest

from infra.artifacts import safetensors
from tests.artifacts.makers import st_bytes, tensor, write_sound

D8 = b"\0" * 8
ONE = {"a": tensor(0, 8, [2])}
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def entry(**changes: object) -> dict[str, object]:
    return {"a": {**tensor(0, 8, [2]), **changes}}


REFUSED = {
    "empty file": (b"", "is 0 bytes long"),
    "seven bytes": (b"\1\0\0\0\0\0\0", "is 7 bytes long"),
    "header longer than the file": (st_bytes(ONE, D8, length=10_000), "only"),
    "header over 100 MB": (st_bytes(ONE, D8, length=100_000_001), "at most 100000000"),
    "header length of all ones": (b"\xff" * 8 + b"{}", "at most"),
    "header of no bytes": (st_bytes(None, D8, raw=b""), "does not start with '{'"),
    "leading space": (st_bytes(None, D8, raw=b" " + json.dumps(ONE).encode()), "does not start with '{'"),
    "byte order mark": (st_bytes(None, D8, raw=b"\xef\xbb\xbf" + json.dumps(ONE).encode()), "start with '{'"),
    "list as header": (st_bytes(None, D8, raw=b"[1,2]"), "does not start with '{'"),
    "not JSON": (st_bytes(None, D8, raw=b"{'a': 1}"), "not JSON"),
    "cut JSON": (st_bytes(None, D8, raw=b'{"a": {"dtype"'), "not JSON"),
    "two JSON documents": (st_bytes(None, D8, raw=json.dumps(ONE).encode() + b"{}"), "not JSON"),
    "trailing NUL padding": (st_bytes(None, D8, raw=json.dumps(ONE).encode() + b"\0\0"), "not JSON"),
    "not UTF-8": (st_bytes(None, D8, raw=b'{"\xff\xfe": 1}'), "not UTF-8"),
    "NaN": (st_bytes(None, D8, raw=b'{"a": NaN}'), "NaN"),
    "deep nesting": (st_bytes(None, D8, raw=DEEP), "nested too deeply"),
    "tensor named twice": (
        st_bytes(None, D8, raw=f'{{"a":{json.dumps(ONE["a"])},"a":{json.dumps(ONE["a"])}}}'.encode()),
        "names 'a' twice",
    ),
    "metadata twice": (
        st_bytes(
            None, D8, raw=f'{{"__metadata__":{{}},"__metadata__":{{}},"a":{json.dumps(ONE["a"])}}}'.encode()
        ),
        "twice",
    ),
    "field twice": (
        st_bytes(None, D8, raw=b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}'),
        "names 'dtype' twice",
    ),
    "metadata of numbers": (st_bytes({"__metadata__": {"n": 1}, **ONE}, D8), "map of strings"),
    "metadata nested": (st_bytes({"__metadata__": {"n": {}}, **ONE}, D8), "map of strings"),
    "metadata a list": (st_bytes({"__metadata__": [], **ONE}, D8), "map of strings"),
    "no tensor": (st_bytes({}), "holds no tensor"),
    "only metadata": (st_bytes({"__metadata__": {"a": "b"}}), "holds no tensor"),
    "tensor is a list": (st_bytes({"a": [1]}, D8), "not described by an object"),
    "no dtype": (st_bytes({"a": {"shape": [2], "data_offsets": [0, 8]}}, D8), "lacks dtype"),
    "no shape": (st_bytes({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, D8), "lacks shape"),
    "no offsets": (st_bytes({"a": {"dtype": "F32", "shape": [2]}}, D8), "lacks data_offsets"),
    "unknown field": (st_bytes(entry(code="x"), D8), "unknown fields: code"),
    "unknown dtype": (st_bytes(entry(dtype="F33"), D8), "unknown dtype 'F33'"),
    "dtype a number": (st_bytes(entry(dtype=7), D8), "unknown dtype 7"),
    "shape a number": (st_bytes(entry(shape=2), D8), "wanted whole numbers"),
    "negative dimension": (st_bytes(entry(shape=[-2]), D8), "wanted whole numbers"),
    "boolean dimension": (st_bytes(entry(shape=[True, 2]), D8), "wanted whole numbers"),
    "shape overflow": (st_bytes(entry(shape=[2**40, 2**40]), D8), "more bytes than a file can hold"),
    "three offsets": (st_bytes(entry(data_offsets=[0, 4, 8]), D8), "wanted two whole numbers"),
    "float offsets": (st_bytes(entry(data_offsets=[0.0, 8.0]), D8), "wanted two whole numbers"),
    "negative offset": (st_bytes(entry(data_offsets=[-8, 0]), D8), "wanted two whole numbers"),
    "end before begin": (st_bytes(entry(data_offsets=[8, 0]), D8), "before it begins"),
    "size is not shape x dtype": (st_bytes(entry(shape=[3]), D8), "shape and dtype make 12"),
    "half a byte": (st_bytes({"a": tensor(0, 2, [3], "F4")}, b"\0\0"), "not a whole number of bytes"),
    "overlap": (st_bytes({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, b"\0" * 12), "overlapping"),
    "hole": (st_bytes({"a": tensor(0, 8, [2]), "b": tensor(12, 20, [2])}, b"\0" * 20), "hole of 4 bytes"),
    "not from zero": (st_bytes({"a": tensor(4, 12, [2])}, b"\0" * 12), "hole of 4 bytes"),
    "trailing bytes": (st_bytes(ONE, D8 + b"x"), "1 bytes after its last tensor"),
    "cut short": (st_bytes(ONE, D8[:-1]), "cut short"),
    "empty name": (st_bytes({"": tensor(0, 8, [2])}, D8), "empty name"),
    "NUL in a name": (st_bytes({"a\0b": tensor(0, 8, [2])}, D8), "control character"),
    "climbing name": (st_bytes({"../a": tensor(0, 8, [2])}, D8), "'..' as a path step"),
    "name too long": (st_bytes({"a" * 2000: tensor(0, 8, [2])}, D8), "longer than 1024"),
}

SOUND = {
    "two tensors": st_bytes({"a": tensor(0, 8, [2]), "b": tensor(8, 16, [2])}, D8 + D8),
    "out of order": st_bytes({"a": tensor(8, 16, [2]), "b": tensor(0, 8, [2])}, D8 + D8),
    "metadata": st_bytes({"__metadata__": {"format": "pt"}, **ONE}, D8),
    "zero-size tensor": st_bytes({"a": tensor(0, 8, [2]), "z": tensor(8, 8, [0, 4])}, D8),
    "scalar": st_bytes({"a": tensor(0, 4, [])}, b"\0" * 4),
    "padded with spaces": st_bytes(None, D8, raw=json.dumps(ONE).encode() + b"   "),
    "even count of F4": st_bytes({"a": tensor(0, 2, [4], "F4")}, b"\0\0"),
    "names with slashes": st_bytes({"bert/encoder.layer": tensor(0, 8, [2])}, D8),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    data, reason = REFUSED[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    assert reason in " | ".join(safetensors.problems(path))


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_file_passes(tmp_path: Path, case: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(SOUND[case])
    assert safetensors.problems(path) == []


def test_all_broken_tensors_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(st_bytes({"a": tensor(0, 8, [3]), "b": {"dtype": "F32"}}, D8))
    assert len(safetensors.problems(path)) == 2


@pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None, reason="the package safetensors is missing"
)
def test_what_the_reference_loader_refuses_is_refused_here(tmp_path: Path) -> None:
    """No file may pass here and fail in the loader: the reference is the judge of our list."""
    from safetensors import SafetensorError, safe_open

    path = tmp_path / "model.safetensors"
    for data in [case for case, _ in REFUSED.values()] + list(SOUND.values()):
        path.write_bytes(data)
        try:
            with safe_open(path, framework="np"):
                refused = False
        except (SafetensorError, OSError, ValueError):
            refused = True
        assert not refused or safetensors.problems(path), data[:80]


def test_only_the_header_is_read(tmp_path: Path) -> None:
    """A terabyte is checked in no time: the file is sparse and only its first bytes exist."""
    path = tmp_path / "huge.safetensors"
    size = 1 << 40
    path.write_bytes(st_bytes({"a": tensor(0, size, [size // 4])}))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)
    assert safetensors.problems(path) == []


def test_the_length_is_little_endian(tmp_path: Path) -> None:
    body = json.dumps(ONE).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack(">Q", len(body)) + body + D8)
    assert safetensors.problems(path)


def test_the_maker_makes_sound_files(tmp_path: Path) -> None:
    assert safetensors.problems(write_sound(tmp_path / "m.safetensors")) == []
