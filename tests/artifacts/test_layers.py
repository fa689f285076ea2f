"""Layers, requirements and handler directories: the pure parts of an image."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from infra.artifacts import globs, requirements
from infra.artifacts.oci.build import Base, Descriptor, assemble
from infra.artifacts.oci.layers import LayerCache, key_of
from infra.artifacts.oci.tar import Entry, Layer, write_layer
from infra.artifacts.source import SourceChanged, extra_files, handler_tree


def test_the_same_entries_make_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.write_bytes(b"two")
    entries = [Entry("z/last", b"one"), Entry("a/b/c", file, 0o755), Entry("a/b." + "x" * 200, b"")]
    first = write_layer(entries, tmp_path / "one")
    os.utime(file, (1, 1))
    second = write_layer(list(reversed(entries)), tmp_path / "two")
    assert first[:3] == second[:3]
    assert first.file.read_bytes() == second.file.read_bytes()


def test_a_layer_says_what_it_is(tmp_path: Path) -> None:
    layer = write_layer([Entry("app/a.py", b"x" * 100_000, 0o755), Entry("top", b"")], tmp_path)
    raw = layer.file.read_bytes()
    assert layer.digest == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert layer.size == len(raw)
    import gzip

    assert layer.diff_id == "sha256:" + hashlib.sha256(gzip.decompress(raw)).hexdigest()
    with tarfile.open(layer.file) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["app", "app/a.py", "top"]
    assert members["app"].isdir()
    assert (members["app/a.py"].mode, members["top"].mode) == (0o755, 0o644)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, 0, "", "")}


def test_a_known_layer_is_not_made_again(tmp_path: Path) -> None:
    made = 0

    def make() -> list[Entry]:
        nonlocal made
        made += 1
        return [Entry("a", b"1")]

    first = LayerCache(tmp_path).layer("key", make)
    assert LayerCache(tmp_path).layer("key", make) == first
    assert made == 1
    first.file.write_bytes(b"cut")
    assert LayerCache(tmp_path).layer("key", make) == first
    (tmp_path / "key.json").write_text("{torn")
    assert LayerCache(tmp_path).layer("key", make) == first
    assert made == 3


def test_a_layer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_layer([Entry("a", tmp_path / "absent")], tmp_path / "layers")
    assert list((tmp_path / "layers").iterdir()) == []


def test_a_key_tells_its_parts_apart() -> None:
    assert key_of("a", ["b"]) != key_of("a", "b")
    assert key_of({"x": 1, "y": 2}) == key_of({"y": 2, "x": 1})


def test_an_image_stands_on_its_base() -> None:
    base = Base(
        (Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "sha256:" + "b" * 64, 7),),
        {
            "config": {"Env": ["PATH=/base/bin", "KEPT=1"], "Labels": {"theirs": "1"}},
            "rootfs": {"diff_ids": ["sha256:" + "c" * 64]},
        },
    )
    ours = Layer("sha256:" + "1" * 64, "sha256:" + "2" * 64, 9, Path("x"))
    image = assemble(base, [ours], entrypoint=["python3"], env={"PYTHONPATH": "/app"}, labels={"mine": "2"})
    config = json.loads(image.config)
    assert config["config"]["Env"] == ["KEPT=1", "PATH=/base/bin", "PYTHONPATH=/app"]
    assert config["config"]["Labels"] == {"mine": "2", "theirs": "1"}
    assert config["rootfs"]["diff_ids"] == ["sha256:" + "c" * 64, ours.diff_id]
    assert [layer.size for layer in image.layers] == [7, 9]
    manifest = json.loads(image.manifest)
    assert manifest["config"]["digest"] == "sha256:" + hashlib.sha256(image.config).hexdigest()
    assert manifest["config"]["size"] == len(image.config)


@pytest.mark.parametrize(
    ("path", "pattern", "matched"),
    [
        ("a.txt", "*", True),
        ("x/a.txt", "*", True),
        ("x/a.txt", "*.txt", True),
        ("x/a.txt", "/*.txt", False),
        ("x/a.txt", "x/*.txt", True),
        ("x/y/a.txt", "x/*.txt", False),
        ("x/y/a.txt", "x/**/*.txt", True),
        ("x/a.txt", "x/**/*.txt", True),
        ("x/y/a.txt", "x/", True),
        ("x/y/a.txt", "y/", True),
        ("xy/a.txt", "x/", False),
        ("a1.txt", "a?.txt", True),
        ("a[1].txt", "a[1].txt", True),
        ("axtxt", "a.txt", False),
    ],
)
def test_globs(path: str, pattern: str, matched: bool) -> None:
    assert globs.matches(path, [pattern]) is matched


def test_an_ignore_files_last_word_counts() -> None:
    lines = ["# notes", "", "data/", "*.csv", "!keep.csv"]
    ignored = [p for p in ["data/a", "a.csv", "keep.csv", "model.py"] if globs.ignored(p, lines)]
    assert ignored == ["data/a", "a.csv"]


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.1.0",
        "a-b[extra,more]==1.0.post1",
        "x == 1.0 ; python_version < '3.12'",
        "x==1.0+cu12",
        "x==1.0 --hash=sha256:abc",
        "x==1.0 ; sys_platform == 'linux' --hash=sha256:abc",
    ],
)
def test_a_pinned_line_passes(line: str) -> None:
    assert requirements.problems([line]) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("numpy", "is not pinned"),
        ("numpy>=2", "is not pinned"),
        ("numpy==2.*", "is not pinned"),
        ("numpy==2.0,>1", "is not pinned"),
        ("-r other.txt", "is an option"),
        ("-e .", "is an option"),
        ("--index-url https://example.com", "is an option"),
        ("git+https://example.com/x.git", "is an address"),
        ("x @ https://example.com/x.whl", "is an address"),
    ],
)
def test_a_line_that_pins_nothing_is_refused(line: str, reason: str) -> None:
    assert reason in requirements.problems([line])[0]


def test_comments_and_continued_lines_are_read_as_pip_reads_them() -> None:
    text = "# head\na==1 \\\n    --hash=sha256:x \\\n    --hash=sha256:y\n\nb==2  # why\n"
    assert requirements.parse(text) == ["a==1 --hash=sha256:x --hash=sha256:y", "b==2"]


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    folder = tmp_path / "handler"
    for name in [
        "model.py",
        "lib/util.py",
        ".git/config",
        ".venv/x.py",
        "__pycache__/m.pyc",
        "old.pyc",
        ".hidden",
    ]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return folder


def test_only_the_handlers_own_files_go_in(handler: Path) -> None:
    tree = handler_tree(handler)
    assert (sorted(tree.files), tree.problems) == (["lib/util.py", "model.py"], [])


def test_an_ignored_file_stays_out(handler: Path) -> None:
    (handler / ".pilotlightignore").write_text("lib/\n")
    assert list(handler_tree(handler).files) == ["model.py"]


@pytest.mark.parametrize("name", [".env", ".env.local", "tls.pem", "deep/id_rsa", "server.key", ".netrc"])
def test_a_secret_is_refused_by_name_unless_ignored(handler: Path, name: str) -> None:
    (handler / name).parent.mkdir(exist_ok=True)
    (handler / name).write_text("canary")
    assert f"{name} looks like a secret" in handler_tree(handler).problems[0]
    (handler / ".pilotlightignore").write_text(Path(name).name + "\n")
    assert handler_tree(handler).problems == []


def test_certificates_and_examples_are_no_secrets(handler: Path) -> None:
    (handler / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (handler / ".env.example").write_text("KEY=")
    assert handler_tree(handler).problems == []


def test_links_out_and_large_directories_are_refused(handler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (handler / "passwd").symlink_to("/etc/passwd")
    monkeypatch.setattr("infra.artifacts.source.LIMIT_BYTES", 1)
    problems = " ".join(handler_tree(handler).problems)
    assert "passwd links out of the directory" in problems
    assert "stage weights as `Weights`" in problems


def test_a_file_changed_after_it_was_hashed_is_refused(handler: Path) -> None:
    tree = handler_tree(handler)
    tree.hashes()
    (handler / "model.py").write_text("y")
    with pytest.raises(SourceChanged, match=r"model\.py changed"):
        list(tree.contents())


@pytest.mark.parametrize(
    ("given", "files", "problem"),
    [
        ({"/data/x.txt": "model.py"}, ["data/x.txt"], None),
        ({"/data": "lib"}, ["data/util.py"], None),
        ({"data": "lib"}, [], "no absolute path"),
        ({"/../etc": "lib"}, [], "no absolute path"),
        ({"/data": "nowhere"}, [], "does not exist"),
    ],
)
def test_extra_files(handler: Path, given: dict[str, str], files: list[str], problem: Any) -> None:
    tree = extra_files({target: handler / source for target, source in given.items()})
    assert list(tree.files) == files
    assert (problem in tree.problems[0]) if problem else tree.problems == []
