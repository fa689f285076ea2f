"""What queues hold: for each queue partitions, each first in, first out, and gone a while after the last item came."""

import base64
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from grpclib.const import Status

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.store import Namespace, Store
from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import RpcError

# modal.com/docs/guide/queues, November 2026
MAX_PARTITIONS, MAX_ITEMS, MAX_ITEM, MAX_BYTES = 100_000, 5_000, 1 << 20, 64 << 20
DEFAULT_TTL_S, MAX_TTL_S = 24 * 3600, 7 * 24 * 3600


@dataclass
class Partition:
    """`items` are (number, value); numbers rise within the queue."""

    items: deque[tuple[int, bytes]] = field(default_factory=deque)
    size: int = 0
    expires_at: float = 0.0


class QueueItems:
    """One queue, in memory and in the store. Rows are "<partition in hex>/<number>"; the last number that was given and
    the expiry of each partition are rows as well, so that numbers never come twice."""

    def __init__(self, kv: Namespace, store: Store, clock: Clock) -> None:
        self._kv, self._store, self._clock = kv, store, clock
        self._partitions: dict[bytes, Partition] = {}
        self._last = 0
        for name, value in kv.items():
            self._load(name, value)

    def put(self, key: bytes, values: Sequence[bytes], ttl_s: int) -> None:
        """All of them, or none: RpcError RESOURCE_EXHAUSTED while there is no room, which clients wait for."""
        self._check(key, values, ttl_s)
        partition = self._alive(key) or Partition()
        size = sum(map(len, values))
        if len(partition.items) + len(values) > MAX_ITEMS or partition.size + size > MAX_BYTES:
            raise RpcError(Status.RESOURCE_EXHAUSTED, f"The partition is full: {len(partition.items)} items")
        if key not in self._partitions and len(self._partitions) >= MAX_PARTITIONS:
            raise RpcError(Status.RESOURCE_EXHAUSTED, f"The queue has {MAX_PARTITIONS} partitions already")
        partition.expires_at = self._clock.now() + (ttl_s or DEFAULT_TTL_S)
        fresh = [(self._last + index, value) for index, value in enumerate(values, 1)]
        self._last += len(fresh)
        partition.items.extend(fresh)
        partition.size += size
        self._partitions[key] = partition
        rows: dict[str, object] = {_row(key, number): _text(value) for number, value in fresh}
        self._kv.put_many({**rows, "last": self._last, f"expiry/{key.hex()}": partition.expires_at})

    def take(self, key: bytes, count: int) -> list[bytes]:
        partition = self._alive(key)
        if partition is None:
            return []
        taken = [partition.items.popleft() for _ in range(min(count, len(partition.items)))]
        partition.size -= sum(len(value) for _, value in taken)
        self._kv.delete(*(_row(key, number) for number, _ in taken))
        if not partition.items:
            self._drop(key)
        return [value for _, value in taken]

    def after(self, key: bytes, number: int, count: int) -> list[tuple[int, bytes]]:
        """Those that came later than one with this number, which may be gone."""
        partition = self._alive(key)
        if partition is None:
            return []
        return list(islice((item for item in partition.items if item[0] > number), count))

    def length(self, key: bytes) -> int:
        partition = self._alive(key)
        return len(partition.items) if partition else 0

    def total(self) -> int:
        return sum(self.length(key) for key in self.keys())

    def keys(self) -> list[bytes]:
        """Of the partitions that hold anything."""
        return [key for key in list(self._partitions) if self._alive(key)]

    def clear(self, key: bytes | None) -> None:
        """None: all partitions."""
        with self._store.transaction():
            for each in list(self._partitions) if key is None else [key]:
                self._drop(each)

    def delete(self) -> None:
        self._partitions.clear()
        self._kv.clear()

    def _alive(self, key: bytes) -> Partition | None:
        partition = self._partitions.get(key)
        if partition is not None and partition.expires_at <= self._clock.now():
            self._drop(key)
            return None
        return partition

    def _drop(self, key: bytes) -> None:
        partition = self._partitions.pop(key, None)
        if partition is not None:
            rows = [_row(key, number) for number, _ in partition.items]
            self._kv.delete(f"expiry/{key.hex()}", *rows)

    def _check(self, key: bytes, values: Sequence[bytes], ttl_s: int) -> None:
        if len(key) > 64:
            raise invalid(f"The key of a partition has at most 64 bytes, and this one {len(key)}")
        if not 0 <= ttl_s <= MAX_TTL_S:
            raise invalid(f"A partition can be kept up to {MAX_TTL_S} seconds, not {ttl_s}")
        if len(values) > MAX_ITEMS:
            raise invalid(f"A partition holds {MAX_ITEMS} items, and {len(values)} came at once")
        if any(len(value) > MAX_ITEM for value in values):
            raise invalid(f"An item of a queue has at most {MAX_ITEM >> 20} MiB")

    def _load(self, name: str, value: object) -> None:
        if name == "last":
            self._last = int(str(value))
            return
        first, _, second = name.partition("/")
        if first == "expiry":
            self._partitions.setdefault(bytes.fromhex(second), Partition()).expires_at = float(str(value))
            return
        partition = self._partitions.setdefault(bytes.fromhex(first), Partition())
        data = base64.b64decode(str(value))
        partition.items.append((int(second), data))
        partition.size += len(data)


def _row(key: bytes, number: int) -> str:
    return f"{key.hex()}/{number:016d}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
