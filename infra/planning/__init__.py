"""Pure functions from a declaration, traffic and prices to what it will cost and how fast it will answer.

Data in, data out. `evaluate` plans one placed endpoint, `search` finds a place for one that leaves it open.
"""

from infra.planning.cost import HOURS_PER_MONTH, CostRange, monthly_range
from infra.planning.evaluate import evaluate
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
from infra.planning.search import search

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
    "evaluate",
    "monthly_range",
    "search",
    "usd_per_container_hour",
    "usd_per_spec_hour",
    "usd_per_worker_hour",
]
