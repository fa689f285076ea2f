"""When no place starts a worker within the SLO: the one that starts it soonest, so that the answer says how far off it is."""

from dataclasses import replace
from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning.breaches import breaches_of
from infra.planning.cold_start import phases_of
from infra.planning.plan import Placement, Refused
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.space import Place, places


def soonest(
    request: PlanRequest,
    profile: TrafficProfile,
    refused: list[Refused],
    catalog: Catalog,
    book: PriceBook,
    root: Path | None,
) -> Placement | None:
    """None where the SLO says nothing of cold starts, or where nothing could run even without it."""
    from infra.planning.search import search

    slo = request.slo
    if slo is None or slo.cold_start_p95_s is None:
        return None
    loose = replace(request, slo=slo.model_copy(update={"cold_start_p95_s": None}))
    offered, _ = places(request, catalog, book)

    def p95(place: Place) -> float:
        gpu = place.gpus[0] if place.gpus else None
        return phases_of(request, place.cloud, gpu, catalog).cold_start(worst=True).p95

    for place in sorted(offered, key=lambda place: (p95(place), place.usd_per_hour, str(place))):
        there = replace(loose, cloud=place.cloud, gpu=place.gpus or None, gpu_count=place.count)
        found = search(there, catalog, book, root=root, profile=profile)
        shown = found.chosen or found.best_effort
        if shown is None:
            continue
        missed = replace(shown, breaches=breaches_of(shown, request))
        said = f"no candidate holds: the best there is, {place}, misses {'; '.join(missed.breaches)}"
        late = [item for item in refused if "of the SLO" in item.reason]
        rest = [item for item in refused if "of the SLO" not in item.reason]
        return replace(
            found,
            chosen=None,
            best_effort=missed,
            refused=(*late, *rest),
            reasons=(said, *found.reasons[1:]),
        )
    return None
