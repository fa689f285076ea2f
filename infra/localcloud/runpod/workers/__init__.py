"""Workers of the local RunPod: real processes of the official SDK, scaled, watched and metered."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.localcloud.runpod.workers.fleet import LocalFleet

__all__ = ["LocalFleet"]


def __getattr__(name: str) -> Any:
    """Late: the fleet needs the load balancer, whose endpoints need what is in here."""
    if name != "LocalFleet":
        raise AttributeError(name)
    from infra.localcloud.runpod.workers.fleet import LocalFleet

    return LocalFleet
