"""Queues, through the official client and CLI."""

from typing import Any

import pytest
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.modal.data.partitions import DEFAULT_TTL_S, MAX_ITEM, MAX_ITEMS
from infra.localcloud.modal.rpc import RpcError
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-data")


def queue_id(modal: WholeModal, name: str) -> str:
    request = api_pb2.QueueGetOrCreateRequest(deployment_name=name, object_creation_type=1)  # type: ignore[arg-type]
    return str(modal.tell("QueueGetOrCreate", request).queue_id)


def put(modal: WholeModal, target: str, *values: bytes, **more: Any) -> None:
    modal.tell("QueuePut", api_pb2.QueuePutRequest(queue_id=target, values=list(values), **more))


def take(modal: WholeModal, target: str, count: int = 1, **more: Any) -> list[bytes]:
    request = api_pb2.QueueGetRequest(queue_id=target, n_values=count, **more)
    return list(modal.tell("QueueGet", request).values)


def length(modal: WholeModal, target: str, **more: Any) -> int:
    return int(modal.tell("QueueLen", api_pb2.QueueLenRequest(queue_id=target, **more)).len)


def test_what_comes_first_goes_first_in_each_partition_and_may_be_looked_at(modal: WholeModal) -> None:
    code = """
q = modal.Queue.from_name("line", create_if_missing=True)
q.put(1)
q.put_many([2, {"three": 3}])
q.put("apart", partition="p")
answer = [list(q.iterate(item_poll_timeout=0)), q.len(), q.len(total=True), q.get(), q.get_many(5), q.get(partition="p"), q.get(block=False),
          q.get_many(2, block=False), q.len(total=True)]
"""
    assert modal.call(code) == [[1, 2, {"three": 3}], 3, 4, 1, [2, {"three": 3}], "apart", None, [], 0]


def test_a_reader_waits_for_a_writer_and_no_longer_than_it_said(modal: WholeModal) -> None:
    code = """
import queue, threading
q = modal.Queue.from_name("late", create_if_missing=True)
threading.Timer(0.2, lambda: q.put("there")).start()
answer = [q.get(timeout=30)]
try:
    q.get(timeout=0.1)
except queue.Empty:
    answer.append("empty")
"""
    assert modal.call(code) == ["there", "empty"]


def test_a_nameless_queue_lives_with_its_client(modal: WholeModal) -> None:
    code = """
with modal.Queue.ephemeral() as q:
    q.put(1)
    answer = [q.get(), q.object_id]
"""
    value, object_id = modal.call(code)
    assert value == 1
    queues = modal.local._data._queues
    assert queues.get(object_id) is not None
    clock, now = modal.world.clock, ManualClock(modal.world.clock.now() + 3600)
    try:
        modal.world.clock = now
        modal.ask(queues.reap)
    finally:
        modal.world.clock = clock
    assert queues.get(object_id) is None


def test_the_cli_counts_peeks_and_clears(modal: WholeModal) -> None:
    target = queue_id(modal, "shown")
    modal.python('modal.Queue.from_name("shown").put_many(["a", "b"])')
    assert modal.modal("queue", "peek", "shown", "1").strip() == "a"
    shown = next(row for row in modal.modal_json("queue", "list") if row["name"] == "shown")
    assert (str(shown["partitions"]), str(shown["total_size"])) == ("1", "2")
    modal.modal("queue", "clear", "shown", "--all", "--yes")
    assert length(modal, target, total=True) == 0


def test_a_full_partition_takes_no_more_until_something_is_taken(modal: WholeModal) -> None:
    target = queue_id(modal, "full")
    put(modal, target, *([b"x"] * MAX_ITEMS))
    with pytest.raises(RpcError, match="partition is full") as caught:
        put(modal, target, b"one more")
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    take(modal, target)
    put(modal, target, b"one more")
    put(modal, target, b"elsewhere", partition_key=b"p")
    assert length(modal, target, total=True) == MAX_ITEMS + 1


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"values": [b"x" * (MAX_ITEM + 1)]}, "at most 1 MiB"),
        ({"values": [b"x"], "partition_key": b"k" * 65}, "64 bytes"),
        ({"values": [b"x"], "partition_ttl_seconds": 8 * 86_400}, "604800 seconds"),
    ],
)
def test_what_a_queue_does_not_take_is_refused(modal: WholeModal, request_: dict[str, Any], why: str) -> None:
    target = queue_id(modal, "picky")
    with pytest.raises(RpcError, match=why):
        modal.tell("QueuePut", api_pb2.QueuePutRequest(queue_id=target, **request_))
    assert length(modal, target, total=True) == 0


def test_a_partition_is_forgotten_after_its_time(modal: WholeModal) -> None:
    target, clock = queue_id(modal, "old"), modal.world.clock
    put(modal, target, b"day")
    put(modal, target, b"minute", partition_key=b"p", partition_ttl_seconds=60)
    items = modal.local._data._queue_store.items(target)
    now = ManualClock(clock.now() + 61)
    items._clock = now
    try:
        assert take(modal, target, partition_key=b"p") == []
        assert length(modal, target, total=True) == 1
        now._now += DEFAULT_TTL_S
        assert take(modal, target) == []
    finally:
        items._clock = clock


def test_items_survive_a_restart_in_their_order(modal: WholeModal) -> None:
    target = queue_id(modal, "kept")
    put(modal, target, b"1", b"2", b"3")
    assert take(modal, target) == [b"1"]
    modal.restart()
    put(modal, target, b"4")
    assert take(modal, target, 5) == [b"2", b"3", b"4"]
