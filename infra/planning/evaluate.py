"""The plan of one placed endpoint."""

from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning.plan import EndpointPlan
from infra.planning.request import PlanRequest

PREVIEW_REQUESTS = 4_000
FULL_REQUESTS = 40_000


def evaluate(
    request: PlanRequest,
    catalog: Catalog,
    book: PriceBook,
    *,
    root: Path | None = None,
    effort: int = PREVIEW_REQUESTS,
) -> EndpointPlan:
    """Cost, waits and cold starts of a placed request. `root`: the folder that traces are relative to. `effort`: how
    many requests to simulate at the most. Raises `PriceMissing` for what has no price; lack of traffic or sizes is no
    error, see `EndpointPlan.missing`."""
    raise NotImplementedError
