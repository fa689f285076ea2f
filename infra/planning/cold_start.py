"""A cold start as a sum of phases, each with a middle and a slow end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, log, sqrt
from random import Random
from statistics import NormalDist

from infra.catalog import Catalog, ColdStartFact
from infra.planning.plan import ColdStart, Phase
from infra.planning.request import PlanRequest
from infra.planning.run import Boot
from infra.spec.findings import UNKNOWN

_Z95 = NormalDist().inv_cdf(0.95)
_HOST_SHARE = 0.7  # of the host link, when weights go to the card
_BOOTS = 97  # prime, so that boots and requests do not go in step


@dataclass(frozen=True)
class Phases:
    """What one start takes: `full` always possible; `fast` is FlashBoot's when it hits, with its estimated rate."""

    full: tuple[Phase, ...]
    unbilled: frozenset[str]
    fast: Phase | None = None
    hit_rate: float = 0.0
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cold_start(self, *, worst: bool) -> ColdStart:
        """The quantiles of a start at the estimated hit rate, or at 0."""
        if self.fast is None:
            middle, slow = total(self.full)
            return ColdStart(round(middle, 2), round(slow, 2), self.full)
        rate = 0.0 if worst else self.hit_rate
        times = sorted(boot.seconds for boot in self.boots(worst=worst))
        if worst:
            middle, slow = total(self.full)
        else:
            middle, slow = (times[int(share * len(times))] for share in (0.5, 0.95))
        return ColdStart(round(middle, 2), round(slow, 2), self.full, hit_rate=rate)

    def boots(self, *, worst: bool) -> Sequence[Boot]:
        """Starts spread evenly over the distribution, in a fixed order that looks random."""
        return _boots(self, worst)


@lru_cache(maxsize=256)
def _boots(phases: Phases, worst: bool) -> tuple[Boot, ...]:
    hits = 0 if worst or phases.fast is None else round(phases.hit_rate * _BOOTS)
    middle, slow = total(phases.full)
    free_share = _unbilled_share(phases.full, phases.unbilled)
    boots = [Boot(t, t * free_share) for t in _spread(middle, slow, _BOOTS - hits)]
    if phases.fast is not None:
        boots += [Boot(t, 0.0) for t in _spread(phases.fast.p50, phases.fast.p95, hits)]
    Random(0).shuffle(boots)
    return tuple(boots)


def phases_of(request: PlanRequest, cloud: str, gpu: str | None, catalog: Catalog) -> Phases:
    """The phases of a worker's start on `cloud`, at the class `gpu` (None: no GPU)."""
    missing: list[str] = []
    notes: list[str] = []
    image_gb = _gigabytes(request.image_bytes, "image", catalog, missing, notes)
    weights_gb = _gigabytes(request.weights_bytes, "weights", catalog, missing, notes)
    load = "load_cpu" if gpu is None else "load_llm" if request.llm is not None else "load"
    phases = []
    unbilled = set()
    for name, size, phase in (
        ("acquire", 0.0, "acquire"),
        ("image", image_gb, "image"),
        ("weights", weights_gb, "weights"),
        ("load", 0.0, load),
    ):
        fact = catalog.cold_start(cloud, phase)
        if fact is None:
            continue
        phases.append(Phase(name, *_seconds(fact, size), fact.note))
        if not fact.billed:
            unbilled.add(name)
    card = catalog.hardware(gpu) if gpu else None
    if card is not None and weights_gb:
        extra = weights_gb / (card.host_link_gb_s * _HOST_SHARE)
        phases[-1] = replace(phases[-1], p50=phases[-1].p50 + extra, p95=phases[-1].p95 + extra)
    fast, rate = None, 0.0
    if request.fast_boot:
        snapshot, flash = catalog.cold_start(cloud, "snapshot"), catalog.cold_start(cloud, "flashboot")
        if snapshot is not None:
            phases = [_shortened(phase, snapshot) for phase in phases]
        if flash is not None:
            fast, rate = Phase("flashboot", flash.p50_s or 0.0, flash.p95_s or 0.0), flash.hit_rate or 0.0
            notes.append(
                f"FlashBoot is assumed to hit in {rate:.0%} of starts, and judged at 0 too: {flash.note}"
            )
    rounded = tuple(replace(p, p50=round(p.p50, 3), p95=round(p.p95, 3)) for p in phases)
    return Phases(rounded, frozenset(unbilled), fast, rate, tuple(missing), tuple(notes))


def total(phases: Sequence[Phase]) -> tuple[float, float]:
    """p50 and p95 of the sum of independent log-normal phases, itself taken as log-normal (Fenton and Wilkinson)."""
    mean = variance = 0.0
    for phase in phases:
        if phase.p50 <= 0:
            continue
        sigma = max(0.0, log(max(phase.p95, phase.p50) / phase.p50) / _Z95)
        one = phase.p50 * exp(sigma**2 / 2)
        mean += one
        variance += (exp(sigma**2) - 1) * one**2
    if mean <= 0:
        return 0.0, 0.0
    sigma = sqrt(log(1 + variance / mean**2))
    middle = mean / sqrt(1 + variance / mean**2)
    return middle, middle * exp(_Z95 * sigma)


def _seconds(fact: ColdStartFact, gigabytes: float) -> tuple[float, float]:
    if fact.p50_gb_per_s and fact.p95_gb_per_s:
        return gigabytes / fact.p50_gb_per_s, gigabytes / fact.p95_gb_per_s
    return fact.p50_s or 0.0, fact.p95_s or 0.0


def _gigabytes(size: object, what: str, catalog: Catalog, missing: list[str], notes: list[str]) -> float:
    if isinstance(size, int):
        return size / 1e9
    assumed = catalog.assumed_size_gb(what)
    missing.append(f"sizes.{what}_bytes")
    why = "is known at `up`" if size is UNKNOWN else "was not declared"
    notes.append(f"the size of the {what} {why}: {assumed:g} GB assumed")
    return assumed


def _shortened(phase: Phase, snapshot: ColdStartFact) -> Phase:
    if phase.name not in ("weights", "load"):
        return phase
    p50, p95 = phase.p50 * (snapshot.p50_factor or 1), phase.p95 * (snapshot.p95_factor or 1)
    return replace(phase, p50=p50, p95=p95, note=f"from a memory snapshot: {snapshot.note}")


def _unbilled_share(phases: Sequence[Phase], unbilled: frozenset[str]) -> float:
    whole = sum(phase.p50 for phase in phases)
    return sum(phase.p50 for phase in phases if phase.name in unbilled) / whole if whole else 0.0


@lru_cache(maxsize=64)
def _spread(middle: float, slow: float, count: int) -> tuple[float, ...]:
    if middle <= 0:
        return (0.0,) * count
    sigma = log(max(slow, middle) / middle) / _Z95
    normal = NormalDist()
    return tuple(middle * exp(sigma * normal.inv_cdf((step + 0.5) / count)) for step in range(count))
