"""Dicts, through the official client and CLI."""

from typing import Any

import pytest
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.modal.data.dicts import EXPIRY_S, MAX_ENTRY, MAX_UPDATES, TOUCH_S
from infra.localcloud.modal.rpc import RpcError
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-data")


def dict_id(modal: WholeModal, name: str, kind: int = 1) -> str:
    request = api_pb2.DictGetOrCreateRequest(deployment_name=name, object_creation_type=kind)  # type: ignore[arg-type]
    return str(modal.tell("DictGetOrCreate", request).dict_id)


def update(modal: WholeModal, target: str, entries: dict[bytes, bytes], **more: Any) -> bool:
    updates = [api_pb2.DictEntry(key=key, value=value) for key, value in entries.items()]
    return bool(
        modal.tell("DictUpdate", api_pb2.DictUpdateRequest(dict_id=target, updates=updates, **more)).created
    )


def get(modal: WholeModal, target: str, key: bytes) -> bytes | None:
    answer = modal.tell("DictGet", api_pb2.DictGetRequest(dict_id=target, key=key))
    return answer.value if answer.found else None


def test_entries_of_any_type_come_back(modal: WholeModal) -> None:
    code = """
d = modal.Dict.from_name("all", create_if_missing=True)
d["text"] = "bread"
d[("a", 1)] = {"n": None}
d.update({"x": 1, "y": [b"\\x00"]}, z=3)
answer = [d["text"], d[("a", 1)], d["y"][0].hex(), d.len(), sorted(map(str, d.keys())), "x" in d, "q" in d,
          d.get("q"), d.get("q", 5), d.pop("x"), d.pop("x", 6), d.len(), len(list(d.values())), len(list(d.items()))]
d.clear()
answer.append(d.len())
"""
    assert modal.call(code) == [
        "bread", {"n": None}, "00", 5, ["('a', 1)", "text", "x", "y", "z"], True, False,
        None, 5, 1, 6, 4, 4, 4, 0,
    ]  # fmt: skip


def test_what_is_not_there_raises_key_error(modal: WholeModal) -> None:
    code = """
d = modal.Dict.from_name("keyed", create_if_missing=True)
answer = []
for work in (lambda: d["no"], lambda: d.pop("no"), lambda: d.__delitem__("no")):
    try:
        work()
    except KeyError:
        answer.append("KeyError")
d["no"] = None
answer.append(d["no"])
"""
    assert modal.call(code) == ["KeyError"] * 3 + [None]


def test_of_two_writers_one_sets_what_was_not_there(modal: WholeModal) -> None:
    target = dict_id(modal, "first")
    assert update(modal, target, {b"k": b"one"}, if_not_exists=True) is True
    assert update(modal, target, {b"k": b"two"}, if_not_exists=True) is False
    assert get(modal, target, b"k") == b"one"
    assert update(modal, target, {b"k": b"three"}) is True
    assert get(modal, target, b"k") == b"three"


def test_the_cli_shows_and_deletes(modal: WholeModal) -> None:
    target = dict_id(modal, "shown")
    modal.python('modal.Dict.from_name("shown")["a"] = 7')
    assert [[row["key"], row["value"]] for row in modal.modal_json("dict", "items", "shown")] == [["a", 7]]
    modal.modal("dict", "delete", "shown", "--yes")
    with pytest.raises(RpcError, match="not found"):
        get(modal, target, b"a")


def test_an_entry_that_nobody_uses_is_forgotten_after_a_week_and_one_that_is_read_stays(
    modal: WholeModal,
) -> None:
    target, clock = dict_id(modal, "old"), modal.world.clock
    update(modal, target, {b"read": b"1", b"left": b"2"})
    now = ManualClock(clock.now())
    try:
        modal.world.clock = now
        now._now += EXPIRY_S - 10
        assert get(modal, target, b"read") == b"1"
        now._now += 20
        assert get(modal, target, b"left") is None
        assert get(modal, target, b"read") == b"1"
        length = modal.tell("DictLen", api_pb2.DictLenRequest(dict_id=target)).len
        assert length == 1
        now._now += EXPIRY_S + TOUCH_S
        assert get(modal, target, b"read") is None
    finally:
        modal.world.clock = clock


def test_too_much_at_once_is_refused(modal: WholeModal) -> None:
    target = dict_id(modal, "large")
    with pytest.raises(RpcError, match="at most 100 MiB") as caught:
        update(modal, target, {b"k": b"x" * MAX_ENTRY})
    assert caught.value.status is Status.INVALID_ARGUMENT
    with pytest.raises(RpcError, match=str(MAX_UPDATES)):
        update(modal, target, {str(n).encode(): b"" for n in range(MAX_UPDATES + 1)})
    assert modal.tell("DictLen", api_pb2.DictLenRequest(dict_id=target)).len == 0


def test_a_dict_that_is_there_is_not_made_twice_and_an_unknown_one_is_named(modal: WholeModal) -> None:
    target = dict_id(modal, "once")
    assert dict_id(modal, "once") == target
    with pytest.raises(RpcError, match="'once' already exists"):
        dict_id(modal, "once", api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS)
    with pytest.raises(RpcError, match="Dict 'never' not found in environment 'main'"):
        dict_id(modal, "never", 0)
    with pytest.raises(RpcError, match="cannot name a Dict"):
        dict_id(modal, "a b")
    with pytest.raises(RpcError, match="Dict 'di-no' not found"):
        get(modal, "di-no", b"k")
