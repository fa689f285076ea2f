"""Where a worker of this cloud pretends to run: the GPU type of its pool, and a data center."""

from infra.catalog import load
from infra.localcloud.runpod.model import EndpointRecord

DEFAULT_DATA_CENTER = "EU-RO-1"


def gpu_type(record: EndpointRecord) -> str | None:
    """RunPod's id of the preferred type in the endpoint's first pool; None for a CPU endpoint."""
    if not record.gpu_pools:
        return None
    types = load().runpod_pools.get(record.gpu_pools[0], ())
    return types[0] if types else record.gpu_pools[0]


def data_center(record: EndpointRecord) -> str:
    return record.data_center_ids[0] if record.data_center_ids else DEFAULT_DATA_CENTER
