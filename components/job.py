"""What a cloud made of a job, and what one run of it can cost."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pulumi

from infra.catalog import Catalog, PriceBook, PriceMissing, load
from infra.planning.money import usd_per_container_hour
from infra.spec.declarations import Cloud, CpuSpec, JobSpec

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class JobDeployed:
    """The resource, how a run is started or found (`app` and `function`, or `pod`), and where its checkpoints are."""

    resource: pulumi.Resource
    handle: dict[str, Any]
    checkpoints: Any


def plan(spec: JobSpec) -> dict[str, Any]:
    """The most that one run can cost: every attempt to its last second, at the dearest class. None where a price is missing."""
    catalog = load()
    book = catalog.prices()
    hourly, missing = None, ""
    try:
        hourly = _usd_per_hour(spec, catalog, book)
    except PriceMissing as error:
        missing = error.what
    ceiling = None if hourly is None else str((hourly * spec.longest_s / 3600).quantize(_CENT, ROUND_HALF_UP))
    said = {"usdPerStart": {"ceiling": ceiling}, "priceBook": book.name, "gpu": spec.gpu}
    return {**said, "missing": missing} if missing else said


def _usd_per_hour(spec: JobSpec, catalog: Catalog, book: PriceBook) -> Decimal:
    if spec.cloud is not Cloud.RUNPOD:
        return usd_per_container_hour(spec.gpu, spec.gpu_count, spec.cpu, catalog, book)
    if not spec.gpu:
        return book.usd_per_vcpu_hour("runpod", "pod_secure") * (spec.cpu or CpuSpec()).vcpu
    prices = [book.usd_per_gpu_hour("runpod", catalog.gpu(name).name, "pod_secure") for name in spec.gpu]
    return max(prices) * spec.gpu_count
