"""What has run and what it cost: billing reports, and figures of apps, functions and servers."""

from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import billing, latest, stats


def rpcs(world: World) -> Rpcs:
    rooms = (billing, stats, latest)
    return {name: handler for room in rooms for name, handler in room.rpcs(world).items()}
