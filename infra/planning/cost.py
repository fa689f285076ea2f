"""What an endpoint can cost a month, before anything is known of its traffic: the floor and the ceiling."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

HOURS_PER_MONTH = 730
"""The month of cloud price lists: 8,760 hours a year / 12."""

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class CostRange:
    """US dollars a month: `floor` with only the always-on workers, `ceiling` with every worker all month."""

    floor: Decimal
    ceiling: Decimal


def monthly_range(*, usd_per_worker_hour: Decimal, workers_min: int, workers_max: int) -> CostRange:
    """The two ends between which the bill of an endpoint's workers must lie, rounded to cents."""
    month = usd_per_worker_hour * HOURS_PER_MONTH
    return CostRange(floor=_cents(month * workers_min), ceiling=_cents(month * workers_max))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
