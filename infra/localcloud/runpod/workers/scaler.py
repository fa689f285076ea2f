"""How many workers an endpoint wants. Pure: RunPod's two rules, from counts and times to a number."""

import math
from dataclasses import dataclass

from infra.localcloud.runpod.model import EndpointRecord, ScalerType


@dataclass(frozen=True)
class Load:
    """What the scaler sees. `live` are workers that take or will take jobs, `starting` those of them not yet ready.
    `queued` leaves out low-priority jobs; `head_wait_s` is how long the oldest of the others has waited."""

    queued: int
    in_progress: int
    live: int
    starting: int
    head_wait_s: float
    since_added_s: float  # since this endpoint last got a worker; inf when never


def wanted(endpoint: EndpointRecord, load: Load) -> int:
    """The number of live workers to have now, within min and max. Scaling down is the idle timeout's work, so the
    answer never asks for fewer than there are unless max says so."""
    if endpoint.scaler is ScalerType.REQUEST_COUNT:
        grown = math.ceil((load.queued + load.in_progress) / max(1.0, endpoint.scaler_value))
    else:
        grown = load.live + _by_delay(endpoint, load)
    return min(max(grown, load.live, endpoint.workers_min), endpoint.workers_max)


def surplus(endpoint: EndpointRecord, load: Load) -> int:
    """How many of the live workers may end once they have been idle for the idle timeout."""
    floor = endpoint.workers_min
    if endpoint.scaler is ScalerType.REQUEST_COUNT:
        floor = max(floor, math.ceil((load.queued + load.in_progress) / max(1.0, endpoint.scaler_value)))
    return max(0, load.live - min(floor, endpoint.workers_max))


def look_again_s(endpoint: EndpointRecord, load: Load) -> float | None:
    """Seconds until `wanted` may grow by the passing of time alone. None: only an event can change it."""
    if endpoint.scaler is ScalerType.REQUEST_COUNT or not load.queued or load.live >= endpoint.workers_max:
        return None
    if load.starting >= load.queued:
        return None
    return max(0.0, endpoint.scaler_value - min(load.head_wait_s, load.since_added_s))


def _by_delay(endpoint: EndpointRecord, load: Load) -> int:
    """One more worker each time the head of the queue has waited a whole queue delay; the first at once, since from
    zero there is nothing to wait for. Never more workers on the way than jobs in the queue."""
    if not load.queued or load.starting >= load.queued:
        return 0
    if load.live == 0:
        return 1
    return int(min(load.head_wait_s, load.since_added_s) >= endpoint.scaler_value)
