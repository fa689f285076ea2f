"""A directory of weights: what is meant, what is refused, and that every reason is told at once."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.artifacts.hashing import HashCache
from infra.artifacts.scan import scan
from tests.artifacts.makers import st_bytes, tensor, write_sound


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (print, ("ran",))


def torch_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil()))
    return buffer.getvalue()


PICKLES = {
    **{f"protocol {p}": pickle.dumps(Evil(), protocol=p) for p in range(6)},
    "long first string": b"\x80\x02X" + (100_000).to_bytes(4, "little") + b"x" * 100_000 + b".",
    "torch zip": torch_zip(),
    "numpy objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
}


def refuse(root: Path, **options: bool) -> str:
    return " | ".join(scan(root, ["*"], [], **options).problems)


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", ["weights.bin", "model.safetensors", "vocab.txt"])
def test_a_pickle_is_refused_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    write_sound(tmp_path / "sound.safetensors")
    (tmp_path / name).write_bytes(PICKLES[kind])
    assert f"{name} is a" in refuse(tmp_path)
    assert "can run code" in refuse(tmp_path)


def test_a_zip_with_a_pickle_behind_sound_tensors_is_refused(tmp_path: Path) -> None:
    tail = torch_zip()
    data = st_bytes({"a": tensor(0, len(tail), [len(tail)], "U8")}, tail)
    (tmp_path / "model.safetensors").write_bytes(data)
    assert "zip with a pickle" in refuse(tmp_path)


def test_a_pickle_passes_when_it_is_allowed(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.safetensors")
    (tmp_path / "weights.bin").write_bytes(PICKLES["protocol 4"])
    assert refuse(tmp_path, allow_pickle=True) == ""


def test_ordinary_text_is_no_pickle(tmp_path: Path) -> None:
    write_sound(tmp_path / "model.safetensors")
    for name, text in {"a.txt": "cat\ndog\nend.", "b.txt": ".", "c.md": "I am.", "d.json": "{}"}.items():
        (tmp_path / name).write_text(text)
    assert refuse(tmp_path) == ""


@pytest.mark.parametrize("length_low_bytes", [0x0280, 0x0380, 0x0480, 0x0580])
def test_a_header_length_that_looks_like_a_protocol_is_no_pickle(
    tmp_path: Path, length_low_bytes: int
) -> None:
    body = json.dumps({"a": tensor(0, 8, [2])}).encode().ljust(length_low_bytes)
    (tmp_path / "model.safetensors").write_bytes(st_bytes(None, b"\0" * 8, raw=body))
    assert refuse(tmp_path) == ""


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\x01\x02")
    (tmp_path / "weights.bin").write_bytes(PICKLES["protocol 4"])
    (tmp_path / "tokenizer.json").write_bytes(b"")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    outside.write_text("{}")
    (tmp_path / "config.json").symlink_to(outside)
    (tmp_path / "gone.json").symlink_to(tmp_path / "nothing")
    problems = scan(tmp_path, ["*"], []).problems
    assert [line.split(" ")[0] for line in sorted(problems)] == [
        "config.json", "gone.json", "tokenizer.json", "torn.safetensors", "weights.bin",
    ]  # fmt: skip
    assert "out of the directory" in refuse(tmp_path)
    assert "link to nothing" in refuse(tmp_path)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    for i in range(50):
        (tmp_path / f"{i}.safetensors").write_bytes(b"x")
    problems = scan(tmp_path, ["*"], []).problems
    assert len(problems) == 21
    assert problems[-1] == "and 30 more"


def test_a_link_within_the_directory_is_followed(tmp_path: Path) -> None:
    write_sound(tmp_path / "store" / "model.safetensors")
    (tmp_path / "model.safetensors").symlink_to("store/model.safetensors")
    found = scan(tmp_path, ["*"], ["store/"])
    assert (found.problems, list(found.files)) == ([], ["model.safetensors"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: None, "has no file to stage"),
        (lambda root: root.rmdir(), "does not exist"),
        (lambda root: (root.rmdir(), root.write_text("x")), "is a file, not a directory"),
        (lambda root: (root / ".hidden.safetensors").write_bytes(b"x"), "has no file to stage"),
        (lambda root: (root / "config.json").write_text("{}"), "none ends in .safetensors"),
    ],
)
def test_a_directory_without_weights_is_refused(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    root = tmp_path / "weights"
    root.mkdir()
    make(root)
    assert reason in refuse(root)


def index(root: Path, weight_map: object, name: str = "model.safetensors.index.json") -> None:
    (root / name).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
BOTH = {"a": SHARDS[0], "b": SHARDS[1]}


@pytest.mark.parametrize(
    ("weight_map", "reason"),
    [
        (BOTH, ""),
        ([], "no weight_map"),
        ({}, "no weight_map"),
        ({"a": 1}, "no weight_map"),
        ({**BOTH, "c": "../c.safetensors"}, "plain name of a file"),
        ({**BOTH, "c": "/etc/passwd"}, "plain name of a file"),
        ({"a": SHARDS[0]}, f"does not name shard '{SHARDS[1]}'"),
        ({"a": SHARDS[0]}, "names no shard 2 of 2"),
        ({**BOTH, "c": "model-00003-of-00003.safetensors"}, "which is not there"),
        ({**BOTH, "c": "model-00003-of-00003.safetensors"}, "differing totals"),
        ({**BOTH, "c": SHARDS[0]}, "places tensor 'c'"),
        ({"a": SHARDS[0], "x": SHARDS[1]}, "does not list tensor 'b'"),
    ],
)
def test_an_index_and_its_shards_tell_the_same_story(tmp_path: Path, weight_map: object, reason: str) -> None:
    write_sound(tmp_path / SHARDS[0], ("a",))
    write_sound(tmp_path / SHARDS[1], ("b",))
    index(tmp_path, weight_map)
    problems = refuse(tmp_path)
    assert (reason in problems) if reason else (problems == "")


def test_an_index_that_is_not_json_is_refused(tmp_path: Path) -> None:
    write_sound(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text("{")
    assert "is not JSON" in refuse(tmp_path)


def test_the_digest_is_of_content_not_of_place_or_time(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_sound(tmp_path / folder / "sub" / "b.safetensors")
        write_sound(tmp_path / folder / "a.safetensors")
    cache = HashCache(None)
    one, two = (scan(tmp_path / folder, ["*"], []).manifest(cache) for folder in ("one", "two"))
    assert one.digest == two.digest
    assert [file.path for file in one.files] == ["a.safetensors", "sub/b.safetensors"]
    write_sound(tmp_path / "two" / "a.safetensors", fill=b"\x02")
    assert scan(tmp_path / "two", ["*"], []).manifest(cache).digest != one.digest
