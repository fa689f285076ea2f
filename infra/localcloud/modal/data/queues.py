"""Queues: items in, items out, and clients that wait for them."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, TypeVar

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.waiting import Signal, within
from infra.localcloud.modal.world import World

from .named import Named, Shelf
from .partitions import QueueItems

T = TypeVar("T")

LONGEST_POLL_S = 60.0
PEEK = 100  # items of one answer to a client that only looks
KEEP_ANSWERS = 1024


class QueueStore:
    """Items of each queue, read from the disk when it is first used, and who waits for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: dict[str, QueueItems] = {}
        self._changes: dict[str, Signal] = {}
        self._answers: OrderedDict[tuple[str, str], list[bytes]] = OrderedDict()

    def items(self, queue_id: str) -> QueueItems:
        if queue_id not in self._items:
            world = self._world
            self._items[queue_id] = QueueItems(world.kv(f"queue.{queue_id}"), world.store, world.clock)
        return self._items[queue_id]

    def changed(self, queue_id: str) -> Signal:
        return self._changes.setdefault(queue_id, Signal())

    def delete(self, record: Named) -> None:
        self.items(record.object_id).delete()
        del self._items[record.object_id]
        self.changed(record.object_id).notify()
        del self._changes[record.object_id]

    def take(self, queue_id: str, key: bytes, count: int, call: Call) -> list[bytes]:
        """Items, or those that the same request got when it came before, because its answer was lost."""
        again = (call.task_id or "", call.idempotency_key)
        if call.idempotency_key and again in self._answers:
            return self._answers[again]
        values = self.items(queue_id).take(key, count)
        if values and call.idempotency_key:
            self._answers[again] = values
            while len(self._answers) > KEEP_ANSWERS:
                self._answers.popitem(last=False)
        return values


def rpcs(world: World, shelf: Shelf, store: QueueStore) -> Rpcs:
    async def get_or_create(
        request: api_pb2.QueueGetOrCreateRequest, call: Call
    ) -> api_pb2.QueueGetOrCreateResponse:
        record, _ = shelf.get_or_create(
            request.deployment_name, request.environment_name, request.object_creation_type
        )
        return api_pb2.QueueGetOrCreateResponse(queue_id=record.object_id, metadata=_metadata(record))

    async def get_by_id(request: api_pb2.QueueGetByIdRequest, call: Call) -> api_pb2.QueueGetByIdResponse:
        record = shelf.need(request.queue_id)
        return api_pb2.QueueGetByIdResponse(queue_id=record.object_id, metadata=_metadata(record))

    async def list_all(request: api_pb2.QueueListRequest, call: Call) -> api_pb2.QueueListResponse:
        environment = world.environment(request.environment_name).name
        queues = []
        for record in shelf.page(environment, request.pagination):
            items = store.items(record.object_id)
            total = items.total()
            info = api_pb2.QueueListResponse.QueueInfo(
                name=record.name,
                created_at=record.created_at,
                num_partitions=len(items.keys()),
                total_size=min(total, request.total_size_limit) if request.total_size_limit else total,
                queue_id=record.object_id,
                metadata=_metadata(record),
            )
            queues.append(info)
        return api_pb2.QueueListResponse(queues=queues, environment_name=environment)

    async def put(request: api_pb2.QueuePutRequest, call: Call) -> Empty:
        queue_id = shelf.need(request.queue_id).object_id
        store.items(queue_id).put(request.partition_key, request.values, request.partition_ttl_seconds)
        store.changed(queue_id).notify()
        return Empty()

    async def get(request: api_pb2.QueueGetRequest, call: Call) -> api_pb2.QueueGetResponse:
        """Nothing is taken for a client that has gone away while it waited."""
        queue_id, count = request.queue_id, request.n_values or 1
        if count < 0:
            raise invalid(f"{count} items cannot be taken")

        async def take() -> list[bytes]:
            while True:
                change = store.changed(shelf.need(queue_id).object_id).next
                if values := store.take(queue_id, request.partition_key, count, call):
                    return values
                await change.wait()

        return api_pb2.QueueGetResponse(values=await _in_time(world, request.timeout, take()))

    async def next_items(
        request: api_pb2.QueueNextItemsRequest, call: Call
    ) -> api_pb2.QueueNextItemsResponse:
        queue_id = request.queue_id
        if request.last_entry_id and not request.last_entry_id.isdigit():
            raise invalid(f"'{request.last_entry_id}' is no entry id of a queue")
        last = int(request.last_entry_id or 0)

        async def look() -> list[tuple[int, bytes]]:
            while True:
                change = store.changed(shelf.need(queue_id).object_id).next
                if found := store.items(queue_id).after(request.partition_key, last, PEEK):
                    return found
                await change.wait()

        found = await _in_time(world, request.item_poll_timeout, look())
        items = [api_pb2.QueueItem(value=value, entry_id=str(number)) for number, value in found]
        return api_pb2.QueueNextItemsResponse(items=items)

    async def length(request: api_pb2.QueueLenRequest, call: Call) -> api_pb2.QueueLenResponse:
        items = store.items(shelf.need(request.queue_id).object_id)
        return api_pb2.QueueLenResponse(
            len=items.total() if request.total else items.length(request.partition_key)
        )

    async def clear(request: api_pb2.QueueClearRequest, call: Call) -> Empty:
        items = store.items(shelf.need(request.queue_id).object_id)
        items.clear(None if request.all_partitions else request.partition_key)
        return Empty()

    async def delete(request: api_pb2.QueueDeleteRequest, call: Call) -> Empty:
        shelf.delete(request.queue_id)
        return Empty()

    async def heartbeat(request: api_pb2.QueueHeartbeatRequest, call: Call) -> Empty:
        shelf.heartbeat(request.queue_id)
        return Empty()

    return {
        "QueueGetOrCreate": get_or_create,
        "QueueGetById": get_by_id,
        "QueueList": list_all,
        "QueuePut": put,
        "QueueGet": get,
        "QueueNextItems": next_items,
        "QueueLen": length,
        "QueueClear": clear,
        "QueueDelete": delete,
        "QueueHeartbeat": heartbeat,
    }


async def _in_time(world: World, seconds: float, work: Coroutine[Any, Any, list[T]]) -> list[T]:
    """What comes in that time; nothing if nothing does."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.sleep(0)  # what is there now is there without waiting
        if not task.done():
            await within(world.clock, min(max(0.0, seconds), LONGEST_POLL_S), asyncio.wait([task]))
        return task.result() if task.done() else []
    finally:
        task.cancel()


def _metadata(record: Named) -> api_pb2.QueueMetadata:
    return api_pb2.QueueMetadata(name=record.name, creation_info=record.creation_info)
