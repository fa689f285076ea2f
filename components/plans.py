"""The plan of an endpoint as a stack's output has it."""

from typing import Any

from infra.catalog import load
from infra.kit.local import seek_root
from infra.planning.evaluate import evaluate
from infra.planning.plan import EndpointPlan
from infra.planning.request import PlanRequest
from infra.spec.declarations import EndpointSpec


def endpoint_plan(name: str, spec: EndpointSpec) -> dict[str, Any]:
    """What it can cost a month and how it starts; with traffic also what it will cost, and how long requests wait.

    Raises `PriceMissing`, `UnknownGpu`, `TraceError`.
    """
    catalog = load()
    request = PlanRequest.from_spec(spec, name=name)
    plan = evaluate(request, catalog, catalog.prices(), root=seek_root())
    return {
        "usdPerMonth": _usd(plan),
        "coldStart": {"p50": plan.cold_start.p50, "p95": plan.cold_start.p95},
        "priceBook": plan.price_book,
        "gpu": spec.gpu,
        **_expected(plan),
    }


def _usd(plan: EndpointPlan) -> dict[str, str]:
    cost = plan.cost
    every = {
        "floor": cost.floor,
        "low": cost.low,
        "expected": cost.expected,
        "high": cost.high,
        "ceiling": cost.ceiling,
    }
    return {name: str(amount) for name, amount in every.items() if amount is not None}


def _expected(plan: EndpointPlan) -> dict[str, Any]:
    if plan.waits is None:
        return {}
    return {"basis": plan.basis, "waitP95": plan.waits.p95, "coldShare": plan.cold_share}
