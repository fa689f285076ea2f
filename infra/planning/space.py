"""Where an endpoint could be placed, and with what: everything that a request leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.catalog import Catalog, GpuClass, PriceBook, PriceMissing
from infra.planning.money import usd_per_worker_hour
from infra.planning.plan import Refused
from infra.planning.policies import idle_timeout_of
from infra.planning.request import PlanRequest
from infra.planning.vram import vram_fit
from infra.spec.scaling import Scaler, Workers

CLOUDS = ("modal", "runpod")
MINIMA = (0, 1, 2, 3)
MOST_WORKERS = 20
COUNTS = (1, 2, 4, 8)
TIMEOUTS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Always tried; those that the gaps of the traffic suggest come on top."""


@dataclass(frozen=True)
class Place:
    """A cloud and the cards of a worker, with the most workers that an account may have there."""

    cloud: str
    gpus: tuple[str, ...]
    count: int
    usd_per_hour: float
    most: int

    def __str__(self) -> str:
        cards = " or ".join(self.gpus) or "CPU"
        return f"{self.cloud} {cards}{f' x{self.count}' if self.count > 1 else ''}"


@dataclass(frozen=True)
class Setting:
    """How the workers of a place scale."""

    workers: Workers
    idle_timeout_s: int
    scaler: Scaler | None

    def __str__(self) -> str:
        rule = "" if self.scaler is None else f", {self.scaler.type.value} {self.scaler.value:g}"
        return f"{self.workers.min} to {self.workers.max} workers, {self.idle_timeout_s} s{rule}"


def places(request: PlanRequest, catalog: Catalog, book: PriceBook) -> tuple[list[Place], list[Refused]]:
    """Those that can run it at a known price, and why the others cannot. Raises `PriceMissing` when all that is
    missing is a price: an unknown price is no free one."""
    found: list[Place] = []
    refused: list[Refused] = []
    unpriced: PriceMissing | None = None
    for cloud in CLOUDS if request.cloud == "auto" else (request.cloud,):
        for gpus in _cards(request, catalog):
            for count in _counts(request, gpus, catalog):
                place = f"{cloud} {' or '.join(gpus) or 'CPU'}{f' x{count}' if count > 1 else ''}"
                reason = _not_offered(request, cloud, gpus, count, catalog)
                if reason:
                    refused.append(Refused(place, reason))
                    continue
                try:
                    hourly = usd_per_worker_hour(
                        cloud,
                        gpus,
                        catalog,
                        book,
                        count=count,
                        vcpu=request.vcpu,
                        memory_gib=request.memory_gib,
                        regions=request.regions,
                    )
                except PriceMissing as error:
                    unpriced = error
                    refused.append(Refused(place, error.what))
                    continue
                found.append(Place(cloud, gpus, count, float(hourly), _quota(cloud, count, catalog)))
    if not found and unpriced is not None:
        raise unpriced
    return found, refused


def timeouts_of(place: Place, timeouts: Sequence[int], request: PlanRequest, catalog: Catalog) -> list[int]:
    """Those of `timeouts` that the place allows, and its own where a scaler takes none."""
    if request.workers != "auto":
        scaler = None if place.cloud == "modal" else request.scaler
        return [idle_timeout_of(place.cloud, request.idle_timeout_s, scaler, catalog)]
    facts = catalog.scaler_defaults[place.cloud]
    low, high = facts["idle_timeout_range_s"]
    own = {facts["request_count_idle_s"]} if "request_count_idle_s" in facts else set()
    return sorted({timeout for timeout in timeouts if low <= timeout <= high} | own)


def scalers_of(place: Place, timeout: int, request: PlanRequest, catalog: Catalog) -> list[Scaler | None]:
    """Modal has no scaler to choose; RunPod's request count takes no idle timeout but has its own."""
    if place.cloud == "modal":
        return [None]
    if request.workers != "auto":
        return [request.scaler]
    facts = catalog.scaler_defaults[place.cloud]
    found: list[Scaler | None] = [Scaler.queue_delay(delay) for delay in facts["queue_delays_to_try_s"]]
    if timeout == facts["request_count_idle_s"]:
        found += [
            Scaler.request_count(requests * request.concurrency)
            for requests in facts["request_counts_to_try"]
        ]
    return found


def workers_of(place: Place, least: int, request: PlanRequest) -> list[Workers]:
    """Of all maxima the largest first."""
    if request.workers != "auto":
        return [request.workers]
    most = max(least, place.most)
    return [Workers(min=least, max=count) for count in range(most, max(1, least) - 1, -1)]


def _cards(request: PlanRequest, catalog: Catalog) -> list[tuple[str, ...]]:
    if request.gpu is None:
        return [()]
    if request.gpu == "auto":
        return [(name,) for name in catalog.gpus]
    return [tuple(catalog.gpu(name).name for name in request.gpu)]


def _counts(request: PlanRequest, gpus: tuple[str, ...], catalog: Catalog) -> tuple[int, ...]:
    """More cards than asked for only where a language model needs them to fit: the fewest, and twice as many."""
    if not gpus or request.gpu != "auto" or request.llm is None or request.gpu_count > 1:
        return (request.gpu_count,)
    fits = (vram_fit(replace(request, gpu_count=count), catalog.gpu(gpus[0])) for count in COUNTS)
    enough = next((place for place, fit in enumerate(fits) if fit is None or fit.fits), len(COUNTS) - 1)
    return COUNTS[enough : enough + 2]


def _not_offered(
    request: PlanRequest, cloud: str, gpus: tuple[str, ...], count: int, catalog: Catalog
) -> str:
    for gpu in map(catalog.gpu, gpus):
        if reason := _no_card(cloud, gpu, count):
            return reason
    if cloud == "runpod":
        if request.workers != "auto" and request.workers.buffer:
            return catalog.capability("runpod", "workers.buffer").reason
        foreign = [region for region in request.regions if region not in catalog.data_centers]
        if foreign:
            return f"RunPod has no data center called {', '.join(foreign)}"
    if cloud == "modal":
        foreign = [region for region in request.regions if region in catalog.data_centers]
        if foreign:
            return f"{', '.join(foreign)} is a data center of RunPod's"
    return ""


def _no_card(cloud: str, gpu: GpuClass, count: int) -> str:
    if cloud == "modal":
        if gpu.modal_id is None:
            return gpu.modal_reason
        most = gpu.modal_max_count or 8
        return f"Modal gives a container at the most {most} {gpu.name}" if count > most else ""
    return gpu.runpod_reason if gpu.runpod_pool is None else ""


def _quota(cloud: str, count: int, catalog: Catalog) -> int:
    """Workers that an account of the first plan may have."""
    if cloud == "modal":
        return min(
            MOST_WORKERS, max(1, int((catalog.limit("modal", "plan_gpus_starter").max or 10) // count))
        )
    return min(MOST_WORKERS, int(catalog.limit("runpod", "account_workers_max").default or 5))
