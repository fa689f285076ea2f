"""Containers: processes of the official entrypoint, scaled, fed, watched and metered."""

from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import serving
from .fleet import LocalFleet

__all__ = ["LocalFleet", "rpcs"]


def rpcs(world: World) -> Rpcs:
    return serving.rpcs(world)
