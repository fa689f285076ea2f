"""`endpoint-ceiling`: every worker of an endpoint busy all month may not cost more than a limit."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pydantic

from infra.catalog import Catalog, PriceMissing, load
from infra.planning import monthly_range
from infra.spec.findings import UNKNOWN, Finding, ResourceView, Severity
from policies.rules.rule import Rule, RuleSettings


class Settings(RuleSettings):
    max_usd_per_month: Decimal | None = pydantic.Field(default=None, gt=0)
    """The most that all workers may cost in a month of 730 hours; none = no limit."""


def check(resource: ResourceView, settings: Settings) -> list[Finding]:
    if settings.max_usd_per_month is None:
        return []
    most = _workers_max(resource.inputs)
    if most is UNKNOWN or resource.inputs.get("gpu") is UNKNOWN:
        return [
            _finding("workers.max", "the ceiling is known, and judged, at `up`", severity=Severity.DEFERRED)
        ]
    try:
        hourly = _usd_per_worker_hour(resource.inputs, load())
    except PriceMissing as error:
        return [_finding("gpu", f"the ceiling cannot be told: {error.what}", error.fix)]
    count = int(most)
    ceiling = monthly_range(usd_per_worker_hour=hourly, workers_min=0, workers_max=count).ceiling
    if ceiling <= settings.max_usd_per_month:
        return []
    affordable = int(settings.max_usd_per_month // (ceiling / count))
    return [
        _finding(
            "workers.max",
            f"{count} workers all month cost ${ceiling:,}, over the limit of ${settings.max_usd_per_month:,}",
            f"lower workers.max to {affordable}" if affordable else "choose a smaller GPU class",
        )
    ]


def _workers_max(inputs: Mapping[str, Any]) -> Any:
    workers = inputs.get("workers") or {}
    most = workers if workers is UNKNOWN else workers.get("max")
    # left out, the cloud takes its own default: counting 0 would pass what costs money
    return load().limit("runpod", "workers_max").default if most is None else most


def _usd_per_worker_hour(inputs: Mapping[str, Any], catalog: Catalog) -> Decimal:
    """What one worker costs an hour, at the dearest card that the platform may place it on."""
    book = catalog.prices()
    gpu = inputs.get("gpu")
    if not gpu:
        vcpu = max((int(cpu.get("vcpuCount", 2)) for cpu in inputs.get("cpu") or ()), default=2)
        return book.usd_per_vcpu_hour("runpod") * vcpu
    excluded = set(gpu.get("excludedTypes") or ())
    types = [
        card for pool in gpu["pools"] for card in catalog.runpod_pools.get(pool, ()) if card not in excluded
    ]
    classes = {found.name for card in types if (found := catalog.gpu_of_runpod_type(card))}
    if not classes:
        raise PriceMissing(
            f"pools {', '.join(gpu['pools'])} are not in the catalog", fix="name a pool it has"
        )
    return max(book.usd_per_gpu_hour("runpod", name) for name in classes) * int(gpu.get("count") or 1)


def _finding(path: str, message: str, fix: str = "", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(RULE.id, path, message, fix, severity)


RULE = Rule(
    id="endpoint-ceiling",
    description="An endpoint with every worker on all month stays under a limit.",
    types=frozenset({"pilotlight-runpod:index:Endpoint"}),
    settings=Settings,
    check=check,
)
