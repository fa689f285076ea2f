"""A stretch of time that a client asks about, and the figures of what happened in it."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import Input, InputState
from infra.localcloud.modal.containers.fleet import LocalFleet
from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.world import World

HOUR_S = 3600.0
BASIS_POINTS = (5000, 9000, 9900)


@dataclass(frozen=True)
class Window:
    """Seconds since the epoch; Both ends are in it."""

    since: float
    until: float


def window_of(world: World, request: Any) -> Window:
    """The last hour, where the request leaves it open. RpcError INVALID_ARGUMENT if it ends before it begins."""
    now = world.clock.now()
    until = seconds(request.until) if request.HasField("until") else now
    since = seconds(request.since) if request.HasField("since") else until - HOUR_S
    if since >= until:
        raise invalid("The time asked for ends before it begins")
    return Window(since, until)


def seconds(moment: Timestamp) -> float:
    return moment.seconds + moment.nanos / 1e9


def stamp(moment: float) -> Timestamp:
    whole = math.floor(moment)
    return Timestamp(seconds=whole, nanos=min(999_999_999, round((moment - whole) * 1e9)))


def variants_of(world: World, function_id: str) -> list[str]:
    """A function and all that are bound to it."""
    return [
        record.function_id
        for record in world.functions.values()
        if function_id in (record.function_id, record.base_id)
    ]


def running_inputs(fleet: LocalFleet, function_ids: Collection[str], task_id: str = "") -> list[Input]:
    return [
        item
        for item in fleet.book.unfinished()
        if item.state is InputState.RUNNING
        and item.call.function_id in function_ids
        and task_id in ("", item.task_id)
    ]


def distribution(values: Iterable[float]) -> api_pb2.StatsPercentileDistribution:
    """In seconds, by nearest rank."""
    ordered = sorted(values)
    found = api_pb2.StatsPercentileDistribution(unit="seconds")
    for points in BASIS_POINTS if ordered else ():
        rank = max(1, math.ceil(points / 10_000 * len(ordered)))
        found.percentiles.add(percentile_basis_points=points, value=ordered[rank - 1])
    return found
