"""The two ends of a bill, against bills worked out by hand."""

from decimal import Decimal

import pytest

from infra.planning.cost import monthly_range


@pytest.mark.parametrize(
    ("usd_per_hour", "low", "high", "floor", "ceiling"),
    [
        # an L4 at $0.00019/s: 0.684 x 730 = 499.32 a month
        ("0.684", 0, 3, "0.00", "1497.96"),
        ("0.684", 1, 1, "499.32", "499.32"),
        # 0.00695 x 730 = 5.0735; half a cent rounds up
        ("0.00695", 1, 2, "5.07", "10.15"),
    ],
)
def test_floor_and_ceiling(usd_per_hour: str, low: int, high: int, floor: str, ceiling: str) -> None:
    cost = monthly_range(usd_per_worker_hour=Decimal(usd_per_hour), workers_min=low, workers_max=high)
    assert (str(cost.floor), str(cost.ceiling)) == (floor, ceiling)
