"""A stack's endpoints on the cheapest cards that hold their models, as settings that go over the program's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.catalog import Catalog, PriceBook
    from infra.cli.program import Program
    from infra.planning.request import PlanRequest
    from infra.planning.space import Place

_MACHINES = ("pilotlight-runpod:index:Pod",)


@dataclass
class Cheap:
    """`overrides` go under `pilotlight:endpoints`. `usd_per_hour` is the most that all of it can cost, None where a price
    is not known; `said` is for a person."""

    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    usd_per_hour: Decimal | None = Decimal(0)


def cheapest(program: "Program", label: str) -> Cheap:
    """One worker at most and none kept on; no traffic, SLO or budget, which are about the real stack and not about this."""
    from infra.catalog import load
    from infra.planning.request import PlanRequest

    catalog = load()
    book = catalog.prices()
    found = Cheap()
    for declaration in program.declarations:
        intent = declaration.inputs.get("intent")
        if declaration.type in _MACHINES:
            found.said.append(
                f"{declaration.name}: a pod, deployed as declared: it is billed while it is there"
            )
            found.usd_per_hour = None
        if not isinstance(intent, Mapping) or "endpoint" not in intent or declaration.type in _MACHINES:
            continue
        name = str(intent["endpoint"])
        request = PlanRequest.from_intent(intent)
        over: dict[str, Any] = {
            "workers": {"min": 0, "max": 1, "buffer": 0},
            "traffic": None,
            "slo": None,
            "budget": None,
            "tags": {"review": label},
        }
        place, why = card(request, catalog, book)
        if intent.get("placed"):
            over["cloud"] = request.cloud
        if request.gpu is not None and place is not None:
            over |= {"gpu": list(place.gpus), "gpu_count": place.count}
        found.overrides[name] = over
        price = f", at most ${place.usd_per_hour:.2f}/h" if place is not None else ""
        found.said.append(f"{name}: {place or request.cloud}{price} ({why})")
        if found.usd_per_hour is not None:
            found.usd_per_hour = (
                None if place is None else found.usd_per_hour + Decimal(str(place.usd_per_hour))
            )
    return found


def card(request: "PlanRequest", catalog: "Catalog", book: "PriceBook") -> "tuple[Place | None, str]":
    """The cheapest place on the request's own cloud, and why that one; None where no price is known.

    What is known of the model decides which cards hold it; where nothing is, none with less memory than the declared ones.
    """
    from infra.planning.space import places
    from infra.planning.vram import vram_fit
    from infra.spec.scaling import Workers

    asked = replace(request, workers=Workers(min=0, max=1))
    if request.gpu is None:
        return _first(asked, catalog, book), "CPUs, as declared"
    declared = request.gpu if isinstance(request.gpu, tuple) else ()
    least = min((catalog.gpu(name).vram_gib for name in declared), default=0) * request.gpu_count
    try:
        candidates, _ = places(replace(asked, gpu="auto"), catalog, book)
    except PilotlightError:
        candidates = []
    fitting, measured = [], False
    for place in candidates:
        gpu = catalog.gpu(place.gpus[0])
        fit = vram_fit(replace(asked, gpu_count=place.count), gpu)
        measured = measured or fit is not None
        if fit.fits if fit is not None else gpu.vram_gib * place.count >= least:
            fitting.append(place)
    if not fitting:
        return _first(asked, catalog, book), "as declared: no cheaper card is known to hold it"
    best = min(fitting, key=lambda place: (place.usd_per_hour, str(place)))
    own = _first(asked, catalog, book)
    if own is not None and own.usd_per_hour <= best.usd_per_hour:
        return own, "as declared: nothing that holds it is cheaper"
    why = "the cheapest that holds the model" if measured else f"the cheapest with {least} GB or more"
    return best, why


def _first(request: "PlanRequest", catalog: "Catalog", book: "PriceBook") -> "Place | None":
    from infra.planning.space import places

    try:
        found, _ = places(request, catalog, book)
    except PilotlightError:
        return None
    return min(found, key=lambda place: (place.usd_per_hour, str(place)), default=None)
