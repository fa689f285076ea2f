"""Dicts: keys and values as their clients pickle them, the same for everybody, and forgotten when nobody uses them."""

import base64
from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.core.store import Namespace
from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .named import Named, Shelf

# An entry that was neither read nor written for so long is gone (modal.com/docs/guide/dicts, November 2026).
EXPIRY_S = 7 * 24 * 3600.0
# How exactly it is known when an entry was last read: to write that down at each read would cost more than the read.
TOUCH_S = 3600.0
MAX_UPDATES = 10_000
MAX_ENTRY = 100 << 20  # bytes
MAX_LEN = 100_000  # what a client is told of larger ones


class DictStore:
    """The entries of each dict: {key in base64: [value in base64, when it was last used]}."""

    def __init__(self, world: World) -> None:
        self._world = world

    def entries(self, dict_id: str) -> Namespace:
        return self._world.kv(f"dict.{dict_id}")

    def get(self, dict_id: str, key: bytes) -> bytes | None:
        entries, name = self.entries(dict_id), _text(key)
        found = entries.get(name)
        if found is None:
            return None
        value, used_at = found
        now = self._world.clock.now()
        if used_at < now - EXPIRY_S:
            entries.delete(name)
            return None
        if used_at < now - TOUCH_S:
            entries.put(name, [value, now])
        return base64.b64decode(value)

    def update(self, dict_id: str, updates: list[api_pb2.DictEntry], if_not_exists: bool) -> bool:
        """Whether any was written."""
        now = self._world.clock.now()
        fresh = {
            _text(entry.key): [_text(entry.value), now]
            for entry in updates
            if not (if_not_exists and self.get(dict_id, entry.key) is not None)
        }
        self.entries(dict_id).put_many(fresh)
        return bool(fresh)

    def pop(self, dict_id: str, key: bytes) -> bytes | None:
        value = self.get(dict_id, key)
        if value is not None:
            self.entries(dict_id).delete(_text(key))
        return value

    def contents(self, dict_id: str) -> list[tuple[bytes, bytes]]:
        oldest = self._world.clock.now() - EXPIRY_S
        return [
            (base64.b64decode(key), base64.b64decode(value))
            for key, (value, used_at) in self.entries(dict_id).items()
            if used_at >= oldest
        ]

    def clear(self, record: Named) -> None:
        self.entries(record.object_id).clear()


def rpcs(world: World, shelf: Shelf, store: DictStore) -> Rpcs:
    async def get_or_create(
        request: api_pb2.DictGetOrCreateRequest, call: Call
    ) -> api_pb2.DictGetOrCreateResponse:
        record, new = shelf.get_or_create(
            request.deployment_name, request.environment_name, request.object_creation_type
        )
        if new:
            store.update(record.object_id, list(request.data), False)
        return api_pb2.DictGetOrCreateResponse(dict_id=record.object_id, metadata=_metadata(record))

    async def get_by_id(request: api_pb2.DictGetByIdRequest, call: Call) -> api_pb2.DictGetByIdResponse:
        record = shelf.need(request.dict_id)
        return api_pb2.DictGetByIdResponse(dict_id=record.object_id, metadata=_metadata(record))

    async def list_all(request: api_pb2.DictListRequest, call: Call) -> api_pb2.DictListResponse:
        environment = world.environment(request.environment_name).name
        dicts = [
            api_pb2.DictListResponse.DictInfo(
                name=record.name,
                created_at=record.created_at,
                dict_id=record.object_id,
                metadata=_metadata(record),
            )
            for record in shelf.page(environment, request.pagination)
        ]
        return api_pb2.DictListResponse(dicts=dicts, environment_name=environment)

    async def update(request: api_pb2.DictUpdateRequest, call: Call) -> api_pb2.DictUpdateResponse:
        dict_id = shelf.need(request.dict_id).object_id
        if len(request.updates) > MAX_UPDATES:
            raise invalid(f"A dict takes {MAX_UPDATES} entries at once, and {len(request.updates)} came")
        if any(len(entry.key) + len(entry.value) > MAX_ENTRY for entry in request.updates):
            raise invalid(f"An entry of a dict has at most {MAX_ENTRY >> 20} MiB")
        created = store.update(dict_id, list(request.updates), request.if_not_exists)
        return api_pb2.DictUpdateResponse(created=created)

    async def get(request: api_pb2.DictGetRequest, call: Call) -> api_pb2.DictGetResponse:
        value = store.get(shelf.need(request.dict_id).object_id, request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    async def pop(request: api_pb2.DictPopRequest, call: Call) -> api_pb2.DictPopResponse:
        value = store.pop(shelf.need(request.dict_id).object_id, request.key)
        return api_pb2.DictPopResponse(found=value is not None, value=value)

    async def contains(request: api_pb2.DictContainsRequest, call: Call) -> api_pb2.DictContainsResponse:
        value = store.get(shelf.need(request.dict_id).object_id, request.key)
        return api_pb2.DictContainsResponse(found=value is not None)

    async def length(request: api_pb2.DictLenRequest, call: Call) -> api_pb2.DictLenResponse:
        found = store.contents(shelf.need(request.dict_id).object_id)
        return api_pb2.DictLenResponse(len=min(len(found), MAX_LEN))

    async def contents(request: api_pb2.DictContentsRequest, call: Call) -> AsyncIterator[api_pb2.DictEntry]:
        """The key is always there: the client names it where a value cannot be read."""
        for key, value in store.contents(shelf.need(request.dict_id).object_id):
            yield api_pb2.DictEntry(key=key, value=value if request.values else b"")

    async def clear(request: api_pb2.DictClearRequest, call: Call) -> Empty:
        store.clear(shelf.need(request.dict_id))
        return Empty()

    async def delete(request: api_pb2.DictDeleteRequest, call: Call) -> Empty:
        shelf.delete(request.dict_id)
        return Empty()

    async def heartbeat(request: api_pb2.DictHeartbeatRequest, call: Call) -> Empty:
        shelf.heartbeat(request.dict_id)
        return Empty()

    return {
        "DictGetOrCreate": get_or_create,
        "DictGetById": get_by_id,
        "DictList": list_all,
        "DictUpdate": update,
        "DictGet": get,
        "DictPop": pop,
        "DictContains": contains,
        "DictLen": length,
        "DictContents": contents,
        "DictClear": clear,
        "DictDelete": delete,
        "DictHeartbeat": heartbeat,
    }


def _metadata(record: Named) -> api_pb2.DictMetadata:
    return api_pb2.DictMetadata(name=record.name, creation_info=record.creation_info)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
