"""Volumes of both versions by the official CLI: what goes in comes out, and what must not happen is refused."""

import itertools
import os
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from modal_proto import api_pb2

from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-data")

MIB = 1 << 20
# Zeros at the end of a block, a whole block of zeros, and zeros at the end of the file.
NUMBERS = itertools.count()
HOLES = b"".join([os.urandom(5 * MIB), bytes(3 * MIB), bytes(8 * MIB), os.urandom(2 * MIB), bytes(2 * MIB)])


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def name(modal: WholeModal, request: pytest.FixtureRequest) -> str:
    """Of a new volume."""
    name = f"volume-{next(NUMBERS)}"
    modal.ask(
        lambda: modal.volumes.get_or_create(
            name, "", api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING, request.param
        )
    )
    return name


def put(modal: WholeModal, volume: str, remote: str, data: bytes = b"hello", *more: str) -> None:
    local = modal.state / "to-put"
    local.write_bytes(data)
    modal.modal("volume", "put", volume, str(local), remote, *more)


def get(modal: WholeModal, volume: str, remote: str) -> bytes:
    local = modal.state / "got"
    local.unlink(missing_ok=True)
    modal.modal("volume", "get", volume, remote, str(local))
    return local.read_bytes()


def listed(modal: WholeModal, volume: str, path: str = "/") -> list[str]:
    return [row["filename"] for row in modal.modal_json("volume", "ls", volume, path)]


def id_of(modal: WholeModal, volume: str) -> str:
    (record,) = [item for item in modal.volumes._table.values() if item.name == volume]
    return record.object_id


def folder(modal: WholeModal, volume: str) -> Path:
    return modal.ask(lambda: modal.world.volumes.directory(id_of(modal, volume)))


def ask(address: str) -> bytes | int:
    try:
        with urllib.request.urlopen(address) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.code


def test_a_file_of_20_mib_with_zeros_in_it_comes_back_as_it_was(modal: WholeModal, name: str) -> None:
    assert len(HOLES) == 20 * MIB
    put(modal, name, "/models/holes.bin", HOLES)
    assert (folder(modal, name) / "models" / "holes.bin").read_bytes() == HOLES
    assert get(modal, name, "models/holes.bin") == HOLES
    blocks = list((modal.world.state_dir / "blocks").glob("*/*"))
    assert blocks == [], "blocks stayed behind"


def test_an_empty_file_and_one_of_zeros_come_back(modal: WholeModal, name: str) -> None:
    put(modal, name, "/empty", b"")
    put(modal, name, "/zeros", bytes(9 * MIB))
    assert get(modal, name, "empty") == b""
    assert get(modal, name, "/zeros") == bytes(9 * MIB)


def test_a_folder_goes_up_and_comes_down_with_its_modes(modal: WholeModal, name: str, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "deep" / "er" / "x.txt").write_text("x")
    (source / "deep" / "er" / "same.txt").write_text("x")
    modal.modal("volume", "put", name, str(source), "/tree")
    assert listed(modal, name) == ["tree"]
    assert listed(modal, name, "/tree") == ["tree/deep", "tree/run.sh"]
    assert stat.S_IMODE((folder(modal, name) / "tree" / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE(folder(modal, name).stat().st_mode) == 0o700
    into = tmp_path / "back"
    into.mkdir()
    modal.modal("volume", "get", name, "/", str(into))
    assert (into / "tree" / "deep" / "er" / "same.txt").read_text() == "x"
    assert sorted(path.name for path in into.rglob("*")) == [
        "deep",
        "er",
        "run.sh",
        "same.txt",
        "tree",
        "x.txt",
    ]


def test_a_file_is_overwritten_only_by_force(modal: WholeModal, name: str) -> None:
    put(modal, name, "/a/b.txt", b"first")
    local = modal.state / "to-put"
    local.write_bytes(b"second")
    said = modal.modal("volume", "put", name, str(local), "/a/b.txt", ok=False)
    assert "already exists" in said
    assert get(modal, name, "a/b.txt") == b"first"
    put(modal, name, "/a/b.txt", b"second", "--force")
    assert get(modal, name, "a/b.txt") == b"second"


def test_a_folder_is_not_overwritten_at_all(modal: WholeModal, name: str) -> None:
    put(modal, name, "/a/b.txt")
    local = modal.state / "to-put"
    assert "is a folder" in modal.modal("volume", "put", name, str(local), "/a", "--force", ok=False)
    said = modal.modal("volume", "put", name, str(local), "/a/b.txt/c", "--force", ok=False)
    assert "a file among its folders" in said


def test_files_are_copied_and_removed(modal: WholeModal, name: str) -> None:
    put(modal, name, "/a/b.txt", b"b")
    modal.modal("volume", "cp", name, "a/b.txt", "c.txt")
    modal.modal("volume", "cp", name, "c.txt", "a")
    assert listed(modal, name, "a") == ["a/b.txt", "a/c.txt"]
    assert get(modal, name, "a/c.txt") == b"b"
    assert "is a folder" in modal.modal("volume", "rm", name, "a", ok=False)
    modal.modal("volume", "rm", name, "a", "-r")
    assert listed(modal, name) == ["c.txt"]
    assert "No such file" in modal.modal("volume", "rm", name, "a/b.txt", ok=False)


def test_a_folder_is_copied_where_that_is_asked_for(modal: WholeModal) -> None:
    modal.modal("volume", "create", "folders", "--version", "2")
    put(modal, "folders", "/a/b.txt", b"b")
    assert "is a folder" in modal.modal("volume", "cp", "folders", "a", "z", ok=False)
    modal.modal("volume", "cp", "-r", "folders", "a", "z")
    assert listed(modal, "folders", "z") == ["z/b.txt"]
    assert "into itself" in modal.modal("volume", "cp", "-r", "folders", "a", "a/inner", ok=False)


@pytest.mark.parametrize("path", ["../outside.txt", "a/../../outside.txt", "/../outside.txt"])
def test_no_path_leads_out_of_a_volume(modal: WholeModal, name: str, path: str) -> None:
    local = modal.state / "to-put"
    local.write_bytes(b"x")
    code = f"""
import io
volume = modal.Volume.from_name({name!r})
said = []
def attempt(work):
    try:
        work()
    except Exception as error:
        said.append(type(error).__name__ + " " + str(error))
def upload():
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"x"), {path!r})
for work in (upload, lambda: volume.listdir({path!r}), lambda: list(volume.read_file({path!r})),
             lambda: volume.remove_file({path!r}, recursive=True), lambda: volume.copy_files([{path!r}], "x"),
             lambda: volume.copy_files(["x"], {path!r})):
    attempt(work)
answer = said
"""
    answers = modal.call(code)
    assert len(answers) == 6
    assert all("leads out of the volume" in answer for answer in answers), answers
    assert not list(modal.state.rglob("outside.txt"))


def test_no_link_leads_out_of_a_volume(modal: WholeModal, name: str) -> None:
    (modal.state / "secret.txt").write_text("secret")
    (folder(modal, name) / "link").symlink_to(modal.state / "secret.txt")
    (folder(modal, name) / "up").symlink_to(modal.state)
    rows = modal.modal_json("volume", "ls", name)
    assert [(row["filename"], row["type"]) for row in rows] == [("link", "link"), ("up", "link")]
    code = f"""
import io
volume = modal.Volume.from_name({name!r})
answer = []
def upload():
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"x"), "/up/new.txt")
for work in (lambda: list(volume.read_file("link")), lambda: volume.listdir("up"), upload,
             lambda: list(volume.read_file("up/secret.txt"))):
    try:
        answer.append(repr(work()))
    except Exception as error:
        answer.append(str(error))
"""
    answers = modal.call(code)
    assert all("leads out of the volume" in answer for answer in answers), answers
    assert not (modal.state / "new.txt").exists()


def test_an_unknown_volume_is_not_found(modal: WholeModal) -> None:
    for words in (["ls", "nowhere"], ["rm", "nowhere", "x"], ["delete", "nowhere", "--yes"]):
        assert "Volume 'nowhere' not found in environment 'main'" in modal.modal("volume", *words, ok=False)
    said = modal.python('modal.Volume.from_id("vo-aaaaaaaaaaaaaaaaaaaaaa").listdir("/")', ok=False)
    assert "NotFoundError" in said


def test_a_volume_is_renamed_and_deleted_with_its_files(modal: WholeModal, name: str) -> None:
    put(modal, name, "/a.txt", b"a")
    place = folder(modal, name)
    modal.modal("volume", "rename", name, f"{name}-new", "--yes")
    assert get(modal, f"{name}-new", "a.txt") == b"a"
    assert "not found" in modal.modal("volume", "ls", name, ok=False)
    modal.modal("volume", "create", name)
    assert "already exists" in modal.modal("volume", "rename", name, f"{name}-new", "--yes", ok=False)
    modal.modal("volume", "delete", f"{name}-new", "--yes")
    assert not place.exists()
    assert f"{name}-new" not in [row["name"] for row in modal.modal_json("volume", "list")]


def test_a_volume_has_the_version_that_was_asked_for(modal: WholeModal) -> None:
    modal.modal("volume", "create", "plain-one")
    code = """
volume = modal.Volume.from_name("plain-one", version=1)
volume.hydrate()
try:
    modal.Volume.from_name("plain-one", version=2).hydrate()
except modal.exception.InvalidError as error:
    answer = str(error)
"""
    assert "has version v1, not v2" in modal.call(code)
    assert "already exists" in modal.modal("volume", "create", "plain-one", ok=False)


def test_what_is_there_already_is_not_sent_again(modal: WholeModal) -> None:
    modal.modal("volume", "create", "again", "--version", "2")
    put(modal, "again", "/holes.bin", HOLES)
    before = (folder(modal, "again") / "holes.bin").stat().st_ino
    put(modal, "again", "/holes.bin", HOLES, "--force")
    assert (folder(modal, "again") / "holes.bin").stat().st_ino == before
    put(modal, "again", "/holes.bin", HOLES[:-1] + b"x", "--force")
    assert get(modal, "again", "holes.bin") == HOLES[:-1] + b"x"


def test_a_nameless_volume_lives_with_its_client(modal: WholeModal) -> None:
    code = """
import io
with modal.Volume.ephemeral(version=2) as volume:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"x"), "/x")
    answer = [entry.path for entry in modal.Volume.from_id(volume.object_id).listdir("/")]
"""
    assert modal.call(code) == ["x"]
    assert "" not in [row["name"] for row in modal.modal_json("volume", "list")]


def test_volumes_are_apart_in_their_environments_and_go_with_them(modal: WholeModal) -> None:
    modal.modal("environment", "create", "elsewhere")
    modal.modal("volume", "create", "here-and-there")
    modal.modal("volume", "create", "here-and-there", "-e", "elsewhere")
    place = modal.state / "to-put"
    place.write_bytes(b"x")
    modal.modal("volume", "put", "here-and-there", str(place), "/x", "-e", "elsewhere")
    assert listed(modal, "here-and-there") == []
    modal.modal("environment", "update", "elsewhere", "--set-name", "moved")
    assert modal.modal("volume", "ls", "here-and-there", "-e", "moved").strip() == "x"
    modal.modal("environment", "delete", "moved", "--yes")
    rest = modal.ask(lambda: [item.environment for item in modal.volumes._table.values()])
    assert set(rest) == {"main"}


def test_only_addresses_that_were_given_out_are_answered(modal: WholeModal) -> None:
    modal.modal("volume", "create", "guarded", "--version", "2")
    put(modal, "guarded", "/a.txt", b"secret")
    (address,) = modal.tell(
        "VolumeGetFile2", api_pb2.VolumeGetFile2Request(volume_id=id_of(modal, "guarded"), path="a.txt")
    ).get_urls
    assert ask(address) == b"secret"
    for wrong in (
        address.replace("a.txt", "b.txt"),
        address.replace("len=6", "len=9"),
        address[:-1] + "!",
        address.partition("?")[0],
    ):
        assert ask(wrong) == 403
    put(modal, "guarded", "/a.txt", b"other!", "--force")
    assert ask(address) == 410
    modal.modal("volume", "delete", "guarded", "--yes")
    assert ask(address) == 403


def test_volumes_survive_a_restart(modal: WholeModal) -> None:
    modal.modal("volume", "create", "kept", "--version", "2")
    put(modal, "kept", "/a.txt", b"kept")
    modal.restart()
    assert get(modal, "kept", "a.txt") == b"kept"
