"""What volumes, dicts, queues and network file systems have in common: a name in an environment, or a client that keeps
a nameless one alive."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.rpc import RpcError
from infra.localcloud.modal.tables import Table
from infra.localcloud.modal.world import USER, World

# A client says every 300 s that it still uses a nameless object; one that has been silent for so long is gone.
SILENCE_S = 1200.0
REAP_S = 60.0
NAMELESS = (api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP, api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)


@dataclass
class Named:
    """`name` is empty for one that lives as long as its client. `version` is a volume's file system, 1 or 2."""

    object_id: str
    name: str
    environment: str
    created_at: float
    created_by: str
    version: int = 0
    heartbeat_at: float = 0.0

    @property
    def creation_info(self) -> api_pb2.CreationInfo:
        return api_pb2.CreationInfo(created_at=self.created_at, created_by=self.created_by)


class Shelf:
    """All objects of one kind. `word` is how users call it; `removed` is told of each that goes away."""

    def __init__(
        self, world: World, kind: str, prefix: str, word: str, removed: Callable[[Named], None]
    ) -> None:
        self._world, self._prefix, self._word, self._removed = world, prefix, word, removed
        self._table = Table(world.kv(kind), Named, "object_id")
        world.environment_listeners.append(self._environment_changed)

    def get(self, object_id: str) -> Named | None:
        return self._table.get(object_id)

    def need(self, object_id: str) -> Named:
        """RpcError NOT_FOUND for an unknown one."""
        record = self._table.get(object_id)
        if record is None:
            raise not_found(f"{self._word} '{object_id}' not found")
        return record

    def get_or_create(
        self, name: str, environment_name: str, kind: int, version: int = 0
    ) -> tuple[Named, bool]:
        """The object, and whether it is new. `kind` is an `api_pb2.ObjectCreationType`."""
        environment = self._world.environment(environment_name).name
        if kind in NAMELESS:
            return self._new("", environment, version), True
        self._check_name(name)
        record = self._find(name, environment)
        if record is None:
            if kind == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
                raise not_found(f"{self._word} '{name}' not found in environment '{environment}'")
            return self._new(name, environment, version), True
        if kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise self._taken(name, environment)
        return record, False

    def page(self, environment: str, pagination: api_pb2.ListPagination) -> list[Named]:
        """Those with a name, newest first."""
        before = pagination.created_before or math.inf
        found = [
            record
            for record in self._table.values()
            if record.name and record.environment == environment and record.created_at < before
        ]
        found.sort(key=lambda record: -record.created_at)
        return found[: pagination.max_objects or None]

    def rename(self, object_id: str, name: str) -> None:
        record = self.need(object_id)
        self._check_name(name)
        holder = self._find(name, record.environment)
        if holder is not None and holder is not record:
            raise self._taken(name, record.environment)
        record.name = name
        self._table.put(record)

    def delete(self, object_id: str) -> None:
        record = self.need(object_id)
        self._table.delete(object_id)
        self._removed(record)

    def heartbeat(self, object_id: str) -> None:
        record = self.need(object_id)
        record.heartbeat_at = self._world.clock.now()
        if not record.name:
            self._table.put(record)

    def reap(self) -> None:
        """Delete the nameless ones whose client is gone."""
        oldest = self._world.clock.now() - SILENCE_S
        for record in self._table.values():
            if not record.name and record.heartbeat_at < oldest:
                self.delete(record.object_id)

    def _new(self, name: str, environment: str, version: int) -> Named:
        now = self._world.clock.now()
        # Clients page through lists by time, which two objects must therefore not share.
        created_at = max([now, *(record.created_at + 1e-6 for record in self._table.values())])
        object_id = self._world.new_id(self._prefix)
        return self._table.put(Named(object_id, name, environment, created_at, USER, version, now))

    def _find(self, name: str, environment: str) -> Named | None:
        return next(
            (
                record
                for record in self._table.values()
                if record.name == name and record.environment == environment
            ),
            None,
        )

    def _taken(self, name: str, environment: str) -> RpcError:
        return RpcError(
            Status.ALREADY_EXISTS, f"{self._word} '{name}' already exists in environment '{environment}'"
        )

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name) or re.fullmatch(r"ap-[A-Za-z0-9]{22}", name):
            raise invalid(
                f"'{name[:80]}' cannot name a {self._word}: letters, digits, dashes, dots and underscores, at most 63, "
                "and not like the id of an app"
            )

    def _environment_changed(self, old: str, new: str | None) -> None:
        for record in self._table.values():
            if record.environment != old:
                continue
            if new is None:
                self.delete(record.object_id)
            else:
                record.environment = new
                self._table.put(record)
