"""Function calls: inputs in, results out, tried again, cancelled; large ones by address."""

from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import binding, blobs, inspect, results, submit
from .blobs import BlobStore
from .blobs import routes as blob_routes

__all__ = ["BlobStore", "blob_routes", "rpcs"]


def rpcs(world: World) -> Rpcs:
    rooms = (binding, blobs, inspect, results, submit)
    return {name: handler for room in rooms for name, handler in room.rpcs(world).items()}
