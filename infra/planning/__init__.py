"""Pure functions from a declaration and prices to what it will cost. No I/O."""

from infra.planning.cost import HOURS_PER_MONTH, CostRange, monthly_range

__all__ = ["HOURS_PER_MONTH", "CostRange", "monthly_range"]
