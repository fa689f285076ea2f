"""The plot of cost against waiting time: which candidates no other beats in both."""

from collections.abc import Iterable
from decimal import Decimal

from infra.planning.plan import EndpointPlan, Point
from infra.spec.expectations import Slo

_MOST = 200


def frontier(
    played: Iterable[tuple[str, float, float]], chosen: EndpointPlan | None, slo: Slo | None
) -> tuple[Point, ...]:
    """From (candidate, US dollars a month, p95 of the wait): at the most 200 points, cheapest first, all of the
    frontier among them, and the chosen one with its own figures."""
    ordered = sorted(set(played), key=lambda item: (item[1], item[2], item[0]))
    best = float("inf")
    points: list[Point] = []
    seen: set[tuple[float, float]] = set()
    limit = slo.wait_p95_s if slo else None
    for name, usd, wait in ordered:
        if (usd, wait) in seen:
            continue
        seen.add((usd, wait))
        on_frontier = wait < best
        best = min(best, wait)
        meets = limit is None or wait <= limit
        points.append(Point(name, Decimal(f"{usd:.2f}"), round(wait, 3), meets, on_frontier))
    kept = [point for point in points if point.on_frontier]
    rest = [point for point in points if not point.on_frontier]
    step = max(1, -(-len(rest) // max(1, _MOST - len(kept))))
    shown = kept + rest[::step]
    if chosen is not None and chosen.cost.expected is not None and chosen.waits is not None:
        name = f"{chosen.cloud} {chosen.gpu or 'CPU'}"
        shown.append(Point(name, chosen.cost.expected, chosen.waits.p95, not chosen.breaches, chosen=True))
    return tuple(sorted(shown, key=lambda point: (point.usd_per_month, point.wait_p95_s, point.candidate)))
