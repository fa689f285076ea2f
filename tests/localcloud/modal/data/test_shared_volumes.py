"""Network file systems, which Modal has deprecated and still serves, through the official client and CLI."""

import pytest
from modal_proto import api_pb2

from infra.localcloud.core import namespace
from infra.localcloud.modal.rpc import RpcError
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-data")

QUIET = "import warnings; warnings.simplefilter('ignore')\n"
own_root = pytest.mark.skipif(not namespace.possible(), reason="this kernel allows no mount namespaces")

SOURCE = """
shared = modal.NetworkFileSystem.from_name("shared", create_if_missing=True)

@app.function(network_file_systems={"/shared": shared}, max_containers=1)
def append(text):
    with open("/shared/log.txt", "a") as file:
        file.write(text)
    return open("/shared/log.txt").read()
"""


def system_id(modal: WholeModal, name: str, kind: int = 1) -> str:
    request = api_pb2.SharedVolumeGetOrCreateRequest(deployment_name=name, object_creation_type=kind)  # type: ignore[arg-type]
    return str(modal.tell("SharedVolumeGetOrCreate", request).shared_volume_id)


def put(modal: WholeModal, target: str, path: str, data: bytes, sha256_hex: str = "") -> None:
    request = api_pb2.SharedVolumePutFileRequest(
        shared_volume_id=target, path=path, data=data, sha256_hex=sha256_hex
    )
    modal.tell("SharedVolumePutFile", request)


def read(modal: WholeModal, target: str, path: str) -> bytes:
    request = api_pb2.SharedVolumeGetFileRequest(shared_volume_id=target, path=path)
    return bytes(modal.tell("SharedVolumeGetFile", request).data)


def test_files_and_folders_go_up_are_listed_and_come_back(modal: WholeModal) -> None:
    folder = modal.state / "given" / "deep"
    folder.mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    code = f"""{QUIET}
import io
nfs = modal.NetworkFileSystem.from_name("files", create_if_missing=True)
nfs.write_file("a/one.txt", io.BytesIO(b"one"))
nfs.write_file("large.bin", io.BytesIO(b"x" * 5_000_000))
nfs.add_local_dir({str(folder.parent)!r}, "/given")
answer = [b"".join(nfs.read_file("a/one.txt")).decode(), sum(map(len, nfs.read_file("large.bin"))),
          sorted(entry.path for entry in nfs.listdir("/")), [entry.path for entry in nfs.listdir("/given/**")]]
nfs.remove_file("a", recursive=True)
answer.append(sorted(entry.path for entry in nfs.listdir("/")))
"""
    one, large, top, given, left = modal.call(code)
    assert (one, large) == ("one", 5_000_000)
    assert top == ["a", "given", "large.bin"]
    assert "given/deep/b.txt" in given
    assert left == ["given", "large.bin"]


@own_root
def test_a_function_sees_what_clients_write_and_they_what_it_does(modal: WholeModal) -> None:
    target = system_id(modal, "shared")
    put(modal, target, "log.txt", b"first ")
    modal.deploy(SOURCE)
    assert (
        modal.call('answer = modal.Function.from_name("shop", "append").remote("second")') == "first second"
    )
    assert read(modal, target, "log.txt") == b"first second"


def test_the_cli_puts_gets_and_deletes(modal: WholeModal) -> None:
    target = system_id(modal, "cli")
    local = modal.state / "local.txt"
    local.write_text("by hand")
    modal.modal("nfs", "put", "cli", str(local), "/in/local.txt")
    assert read(modal, target, "in/local.txt") == b"by hand"
    assert "by hand" in modal.modal("nfs", "get", "cli", "/in/local.txt", "-")
    modal.modal("nfs", "delete", "cli", "--yes")
    with pytest.raises(RpcError, match="not found"):
        read(modal, target, "in/local.txt")


def test_no_path_leads_out_and_what_was_damaged_is_not_taken(modal: WholeModal) -> None:
    target = system_id(modal, "safe")
    with pytest.raises(RpcError):
        put(modal, target, "../../outside.txt", b"x")
    with pytest.raises(RpcError, match="damaged on its way"):
        put(modal, target, "a.txt", b"x", "0" * 64)
    with pytest.raises(RpcError):
        read(modal, target, "a.txt")


def test_it_survives_a_restart_and_is_apart_from_volumes(modal: WholeModal) -> None:
    target = system_id(modal, "kept")
    put(modal, target, "a.txt", b"a")
    modal.restart()
    assert read(modal, system_id(modal, "kept", 0), "a.txt") == b"a"
    assert system_id(modal, "kept") == target
    with pytest.raises(RpcError, match="Volume 'kept' not found"):
        modal.tell("VolumeGetOrCreate", api_pb2.VolumeGetOrCreateRequest(deployment_name="kept"))
