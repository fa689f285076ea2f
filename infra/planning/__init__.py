"""Pure functions from a declaration, traffic and prices to what it will cost and how fast it will answer.

Data in, data out. `evaluate.evaluate` plans one placed endpoint, `search.search` finds a place for one that leaves it open.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.planning.cost import HOURS_PER_MONTH, CostRange, monthly_range
    from infra.planning.money import usd_per_container_hour, usd_per_spec_hour, usd_per_worker_hour
    from infra.planning.plan import (
        ColdStart,
        Cost,
        EndpointPlan,
        Phase,
        Placement,
        Point,
        Refused,
        Spread,
        VramFit,
    )
    from infra.planning.request import PlanRequest

_HOMES = {
    "HOURS_PER_MONTH": "cost",
    "CostRange": "cost",
    "monthly_range": "cost",
    "usd_per_container_hour": "money",
    "usd_per_spec_hour": "money",
    "usd_per_worker_hour": "money",
    "ColdStart": "plan",
    "Cost": "plan",
    "EndpointPlan": "plan",
    "Phase": "plan",
    "Placement": "plan",
    "Point": "plan",
    "Refused": "plan",
    "Spread": "plan",
    "VramFit": "plan",
    "PlanRequest": "request",
}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: a provider that only adds up prices needs no simulator."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "HOURS_PER_MONTH",
    "ColdStart",
    "Cost",
    "CostRange",
    "EndpointPlan",
    "Phase",
    "Placement",
    "PlanRequest",
    "Point",
    "Refused",
    "Spread",
    "VramFit",
    "monthly_range",
    "usd_per_container_hour",
    "usd_per_spec_hour",
    "usd_per_worker_hour",
]
