"""Records come back from the disk as they were."""

from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.core.store import Store
from infra.localcloud.modal.model import FunctionRecord, MountedFile, MountRecord
from infra.localcloud.modal.tables import Table


def test_messages_bytes_and_nested_records_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    function = FunctionRecord(
        "fu-1", "ap-1", "f", api_pb2.FunctionHandleMetadata(function_name="f"), serialized_params=b"\0\xff"
    )
    function.settings.max_containers = 3
    mount = MountRecord("mo-1", "sum", [MountedFile("/root/a.py", "0" * 64, 0o644, 3)])
    Table(store.kv("f"), FunctionRecord, "function_id").put(function)
    Table(store.kv("m"), MountRecord, "mount_id").put(mount)
    assert Table(store.kv("f"), FunctionRecord, "function_id")["fu-1"] == function
    assert Table(store.kv("m"), MountRecord, "mount_id")["mo-1"] == mount
    store.close()


def test_a_deleted_record_stays_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    table = Table(store.kv("m"), MountRecord, "mount_id")
    table.put(MountRecord("mo-1", "sum"))
    table.delete("mo-1")
    assert "mo-1" not in table
    assert len(Table(store.kv("m"), MountRecord, "mount_id")) == 0
    store.close()


def test_a_record_of_an_older_version_with_a_field_that_is_gone_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    store.kv("m").put("mo-1", {"mount_id": "mo-1", "checksum": "sum", "colour": "red"})
    assert Table(store.kv("m"), MountRecord, "mount_id")["mo-1"].checksum == "sum"
    store.close()
