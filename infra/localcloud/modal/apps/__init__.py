"""Apps, functions and what belongs to them: deployed, read back, rolled back, stopped; environments, secrets, mounts."""

from infra.localcloud.modal.rpc import Rpcs
from infra.localcloud.modal.world import World

from . import (
    account,
    autoscaler,
    environments,
    functions,
    history,
    lifecycle,
    logs,
    mounts,
    publish,
    reading,
    secrets,
    suggest,
    tasks,
)
from .layout import layout
from .lifecycle import reap
from .mounts import ContentStore
from .secrets import SecretStore

__all__ = ["ContentStore", "SecretStore", "layout", "reap", "rpcs"]


def rpcs(world: World) -> Rpcs:
    rooms = (
        account,
        autoscaler,
        environments,
        functions,
        history,
        lifecycle,
        logs,
        mounts,
        publish,
        reading,
        secrets,
        suggest,
        tasks,
    )
    return {name: handler for room in rooms for name, handler in room.rpcs(world).items()}
