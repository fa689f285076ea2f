"""Workers of the local RunPod: real processes of the official SDK, scaled, watched and metered."""

from infra.localcloud.runpod.workers.fleet import LocalFleet

__all__ = ["LocalFleet"]
