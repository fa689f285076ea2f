"""Where a worker of this cloud pretends to run: a GPU type of the endpoint's pools, in a data center with its volume."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from infra.catalog import load
from infra.localcloud.runpod.model import EndpointRecord

# Also the only one with CPU workers (runpod-flash's constant, 2026-11).
DEFAULT_DATA_CENTER = "EU-RO-1"


class Market(Protocol):
    def stock_of(self, data_center: str, *names: str | None) -> str:
        """NONE, LOW, MEDIUM or HIGH, of the first of these names that has a level."""


@dataclass(frozen=True)
class Place:
    """`volume_id` is the endpoint's network volume in that data center."""

    gpu_type_id: str | None
    data_center_id: str
    volume_id: str | None = None


def find(record: EndpointRecord, market: Market, volume_place: Callable[[str], str | None]) -> Place | str:
    """The first of its GPU types (CPU flavors), in the order of its pools, that is in stock in one of its data centers;
    or why there is none."""
    centers = _centers(record, volume_place)
    if not centers:
        return f"none of the data centers {', '.join(record.data_center_ids)} has a network volume of this endpoint"
    for gpu_type_id, names in _kinds(record):
        for center, volume_id in centers.items():
            if market.stock_of(center, *names) != "NONE":
                return Place(gpu_type_id, center, volume_id)
    wanted = ", ".join(record.gpu_pools) or "this CPU flavor"
    less = f" without {', '.join(record.excluded_types)}" if record.excluded_types else ""
    where = ", ".join(list(centers)[:4]) + (" …" if len(centers) > 4 else "")
    return f"no machine free for {wanted}{less} in {where} now"


def _kinds(record: EndpointRecord) -> list[tuple[str | None, tuple[str, ...]]]:
    """GPU type and the names that its stock goes by."""
    if not record.gpu_pools:
        return [(None, (str(flavor.get("id", "")),)) for flavor in record.cpu] or [(None, ())]
    pools = load().runpod_pools
    kinds = [(kind, pool) for pool in record.gpu_pools for kind in pools.get(pool, (pool,))]
    return [(kind, (kind, pool)) for kind, pool in kinds if kind not in record.excluded_types]


def _centers(record: EndpointRecord, volume_place: Callable[[str], str | None]) -> dict[str, str | None]:
    """Data centers, with the volume that is there."""
    if record.network_volumes:
        volumes = {
            volume_place(volume_id) or DEFAULT_DATA_CENTER: volume_id for volume_id in record.network_volumes
        }
        wanted = record.data_center_ids or tuple(volumes)
        return {center: volumes[center] for center in wanted if center in volumes}
    if record.data_center_ids:
        return dict.fromkeys(record.data_center_ids)
    if not record.gpu_pools:
        return {DEFAULT_DATA_CENTER: None}
    return dict.fromkeys((DEFAULT_DATA_CENTER, *load().data_centers))
