"""Where to place an endpoint: the cheapest candidate that meets the SLO at the pessimistic end."""

from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning.plan import Placement
from infra.planning.request import PlanRequest


def search(request: PlanRequest, catalog: Catalog, book: PriceBook, *, root: Path | None = None) -> Placement:
    """What the request leaves open ("auto") is chosen, what it names is kept. Deterministic."""
    raise NotImplementedError
