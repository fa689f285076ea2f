"""Where to place an endpoint: the cheapest candidate that meets the SLO at the pessimistic end.

Exact over its candidates: they are taken in the order of their expected cost, the cheapest first, and the first that
holds is the answer. Whole groups whose least possible cost is above that are never played; settings that differ only
in a maximum that is never reached, and cards that differ only in price, are played once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning.always_on import machines
from infra.planning.evaluate import PREVIEW_REQUESTS, evaluate
from infra.planning.frontier import frontier
from infra.planning.plan import EndpointPlan, Placement, Refused
from infra.planning.profile import TrafficProfile
from infra.planning.reasons import favour, reasons_of
from infra.planning.request import PlanRequest
from infra.planning.scoring import Behaviour, Behaviours, most_generous
from infra.planning.space import CLOUDS, MINIMA, Place, Setting, places, settings
from infra.planning.synthetic import profile_of
from infra.spec.errors import PilotlightError

SEARCH_REQUESTS = 1_500


class NothingToPlace(PilotlightError):
    """The request says too little to compare places, or there is none."""


@dataclass(frozen=True)
class Candidate:
    """One place with one setting, and what it is expected to cost a month."""

    usd_per_month: float
    place: Place
    setting: Setting

    @property
    def order(self) -> tuple[object, ...]:
        """Cheapest first; of equals the one with the lower ceiling, then names, so that the answer never varies."""
        workers = self.setting.workers
        scaler = "" if self.setting.scaler is None else str(self.setting)
        return (
            self.usd_per_month,
            workers.max,
            workers.min,
            self.setting.idle_timeout_s,
            str(self.place),
            scaler,
        )

    def __str__(self) -> str:
        return f"{self.place}, {self.setting}"


def search(
    request: PlanRequest,
    catalog: Catalog,
    book: PriceBook,
    *,
    root: Path | None = None,
    effort: int = PREVIEW_REQUESTS,
    profile: TrafficProfile | None = None,
) -> Placement:
    """What the request leaves open ("auto") is chosen, what it names is kept. The same input gives the same answer.

    Raises `NothingToPlace` without traffic or without any place, `PriceMissing` when no place has a price, `TraceError`.
    """
    if profile is None:
        if request.traffic is None:
            raise NothingToPlace(
                f"endpoint {request.name!r} cannot be placed: nothing is known of its traffic",
                wanted="traffic: a trace, gap quantiles or at least requests_per_hour",
                fix="declare traffic, or name cloud, gpu and workers",
            )
        profile = profile_of(request.traffic, root, effort)
    run = _Search(request, profile, catalog, book)
    if not run.groups:
        raise NothingToPlace(
            f"endpoint {request.name!r} can be placed nowhere:\n"
            + "\n".join(f"  - {item.candidate}: {item.reason}" for item in run.refused[:12]),
            fix="loosen what the first of these names",
        )
    best = {cloud: run.best(cloud) for cloud in CLOUDS}
    plans = {cloud: plan for cloud, plan in best.items() if plan is not None}
    chosen = min(plans.values(), key=lambda plan: favour(plan, request), default=None)
    others = sorted(
        (plan for plan in plans.values() if plan is not chosen), key=lambda plan: plan.cost.expected or 0
    )
    always_on = machines(request, profile, run.behaviours, catalog, book)
    shown = chosen or run.best_effort()
    return Placement(
        chosen=chosen,
        best_effort=None if chosen else shown,
        alternatives=(*others, *always_on),
        refused=tuple(run.verdicts(shown)),
        frontier=frontier(run.played(), shown, request.slo),
        reasons=reasons_of(request, profile, chosen, others, always_on, shown),
        candidates=run.considered,
        notes=profile.notes,
    )


class _Search:
    def __init__(
        self, request: PlanRequest, profile: TrafficProfile, catalog: Catalog, book: PriceBook
    ) -> None:
        self.request, self.profile, self.catalog, self.book = request, profile, catalog, book
        self.behaviours = Behaviours(request, profile.sampled(SEARCH_REQUESTS), catalog)
        self.found: dict[Place, Behaviour] = {}
        self.groups: list[tuple[float, int, Place]] = []
        self.considered = 0
        self._played: dict[Candidate, Behaviour] = {}
        self._missed: dict[Place, str] = {}
        self._hopeless: dict[object, str] = {}
        self._timeouts: dict[int, list[int]] = {}
        offered, self.refused = places(request, catalog, book)
        for place in offered:
            behaviour = self.behaviours.of(place)
            if isinstance(behaviour, str):
                self.refused.append(Refused(str(place), behaviour))
                continue
            self.found[place] = behaviour
            for least in self._minima():
                self.groups.append((behaviour.at_least(place, least), least, place))
        self.groups.sort(key=lambda group: (group[0], group[1], str(group[2])))
        self.considered = sum(1 for place in self.found for _ in self._settings(place))

    def best(self, cloud: str) -> EndpointPlan | None:
        """The cheapest there that holds, None when none does."""
        pending = [group for group in reversed(self.groups) if group[2].cloud == cloud]
        heap: list[tuple[tuple[object, ...], Candidate]] = []
        while pending or heap:
            while pending and (not heap or pending[-1][0] <= heap[0][1].usd_per_month):
                _, least, place = pending.pop()
                for candidate in self._candidates(place, least):
                    heappush(heap, (candidate.order, candidate))
            _, candidate = heappop(heap)
            plan = self.holds(candidate)
            if plan is not None:
                return plan
        return None

    def holds(self, candidate: Candidate) -> EndpointPlan | None:
        """Its plan if it keeps SLO and budget at the pessimistic end."""
        place, setting = candidate.place, candidate.setting
        behaviour = self.found[place]
        reason = self._cannot_keep_up(behaviour, setting) or self._misses(behaviour, place, setting)
        if reason:
            self._missed.setdefault(place, reason)
            return None
        plan = self.plan(candidate)
        if plan.breaches:
            self._missed.setdefault(place, plan.breaches[0])
            return None
        return plan

    def plan(self, candidate: Candidate) -> EndpointPlan:
        return evaluate(
            placed(self.request, candidate.place, candidate.setting),
            self.catalog,
            self.book,
            profile=self.profile,
        )

    def candidates(self) -> Iterator[Candidate]:
        """All of them, played: what the search spares itself. For tests."""
        for place in self.found:
            for least in self._minima():
                yield from self._candidates(place, least)

    def best_effort(self) -> EndpointPlan | None:
        """Of those that miss something, the one that waits least, then the cheapest."""
        if not self._played:
            return None

        def wait(candidate: Candidate) -> tuple[float, float, str]:
            score = self._played[candidate].score(candidate.setting, self.catalog)
            return (round(score.p95, 3), candidate.usd_per_month, str(candidate))

        return self.plan(min(self._played, key=wait))

    def played(self) -> Iterator[tuple[str, float, float]]:
        """Candidate, US dollars a month, p95 of the wait in seconds."""
        for candidate, behaviour in self._played.items():
            score = behaviour.score(candidate.setting, self.catalog)
            yield str(candidate), candidate.usd_per_month, score.p95

    def verdicts(self, chosen: EndpointPlan | None) -> Iterator[Refused]:
        """Why each place was not chosen."""
        yield from self.refused
        cost = float(chosen.cost.expected or 0) if chosen else 0.0
        for place, behaviour in self.found.items():
            taken = chosen and (place.cloud, ", ".join(place.gpus) or None) == (chosen.cloud, chosen.gpu)
            if taken:
                continue
            least = behaviour.at_least(place, 0) + 0.01
            mine = [c for c in self._played if c.place == place]
            cheapest = min((c.usd_per_month for c in mine), default=least)
            if place in self._missed and cheapest <= cost:
                yield Refused(str(place), self._missed[place])
            elif mine:
                yield Refused(str(place), f"dearer: ${cheapest:,.2f} a month at the least")
            else:
                yield Refused(str(place), f"dearer: the work alone costs ${least:,.2f} a month")

    def _minima(self) -> Sequence[int]:
        return MINIMA if self.request.workers == "auto" else (self.request.workers.min,)

    def _settings(self, place: Place) -> list[Setting]:
        behaviour = self.found[place]
        if id(behaviour) not in self._timeouts:
            self._timeouts[id(behaviour)] = behaviour.timeouts(self.request.slo)
        return list(settings(self.request, place, self._timeouts[id(behaviour)], self.catalog))

    def _candidates(self, place: Place, least: int) -> Iterator[Candidate]:
        behaviour = self.found[place]
        # the largest maximum first: if it is not reached, it stands for the smaller ones too
        for setting in sorted(self._settings(place), key=lambda setting: -setting.workers.max):
            if setting.workers.min != least or self._cannot_keep_up(behaviour, setting):
                continue
            cost = behaviour.usd_per_month(place, setting, self.catalog)
            candidate = Candidate(cost, place, setting)
            self._played[candidate] = behaviour
            yield candidate

    def _cannot_keep_up(self, behaviour: Behaviour, setting: Setting) -> str:
        work = behaviour.workload.work_share
        if work < 0.98 * setting.workers.max:
            return ""
        return f"{setting.workers.max} workers cannot keep up with the work of {work:.1f}"

    def _misses(self, behaviour: Behaviour, place: Place, setting: Setting) -> str:
        """If the most generous setting of a scaler misses the SLO, none of its settings meets it."""
        slo = self.request.slo
        if slo is None:
            return ""
        key = (id(behaviour), setting.scaler, place.most)
        if key not in self._hopeless:
            generous = most_generous(place, setting, max(self._minima()))
            self._hopeless[key] = behaviour.misses(generous, slo, self.catalog)
        return self._hopeless[key] or behaviour.misses(setting, slo, self.catalog)


def placed(request: PlanRequest, place: Place, setting: Setting) -> PlanRequest:
    """The request with everything filled in."""
    return replace(
        request,
        cloud=place.cloud,
        gpu=place.gpus or None,
        gpu_count=place.count,
        workers=setting.workers,
        idle_timeout_s=setting.idle_timeout_s,
        scaler=setting.scaler or request.scaler,
    )
