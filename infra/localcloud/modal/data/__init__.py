"""What outlives containers: volumes, dicts, queues, network file systems; what they cost; functions run by the clock."""

from aiohttp import web

from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import dicts, queues, shared_volumes, transfer, volume_files, volumes
from .named import REAP_S, Shelf
from .volumes import VolumeStore

__all__ = ["DataRoom", "VolumeStore", "rpcs"]


class DataRoom:
    """Make it before the fleet: it gives the world its volumes, which containers mount."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.volumes = self.volumes = VolumeStore(world)
        self._addresses = transfer.Addresses(world)
        self._dict_store, self._queue_store = dicts.DictStore(world), queues.QueueStore(world)
        self._dicts = Shelf(world, "dicts", "di", "Dict", self._dict_store.clear)
        self._queues = Shelf(world, "queues", "qu", "Queue", self._queue_store.delete)

    def rpcs(self) -> Rpcs:
        world = self._world
        return {
            **volumes.rpcs(world, self.volumes),
            **volume_files.rpcs(world, self.volumes, self._addresses),
            **shared_volumes.rpcs(world, self.volumes),
            **dicts.rpcs(world, self._dicts, self._dict_store),
            **queues.rpcs(world, self._queues, self._queue_store),
        }

    def routes(self) -> list[web.RouteDef]:
        return transfer.routes(self.volumes, self._addresses)

    async def reap(self) -> None:
        """For ever: what only lived as long as its client goes when that has gone without a word."""
        while True:
            await self._world.clock.sleep(REAP_S)
            for shelf in (self.volumes.volumes, self.volumes.shared, self._dicts, self._queues):
                shelf.reap()


def rpcs(world: World) -> Rpcs:
    """Of a room that needs no addresses and no background work."""
    return DataRoom(world).rpcs()
