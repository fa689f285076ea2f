"""Where to place an endpoint: the cheapest candidate that meets the SLO at the pessimistic end.

Exact over its candidates: they are taken in the order of their expected cost, the cheapest first, and the first that
holds is the answer. Groups whose least possible cost is above that are never played; nor are idle timeouts that miss
the SLO by far even with all workers. Settings that differ only in a maximum that is never reached, and cards that differ
only in price, are played once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf
from pathlib import Path

from infra.catalog import Catalog, PriceBook
from infra.planning import kernel
from infra.planning.always_on import machines
from infra.planning.evaluate import PREVIEW_REQUESTS, evaluate
from infra.planning.frontier import frontier
from infra.planning.plan import EndpointPlan, Placement, Refused
from infra.planning.profile import TrafficProfile
from infra.planning.reasons import favour, reasons_of
from infra.planning.request import PlanRequest
from infra.planning.scoring import Behaviour, Behaviours
from infra.planning.soonest import soonest
from infra.planning.space import (
    CLOUDS,
    MINIMA,
    Place,
    Setting,
    places,
    scalers_of,
    timeouts_of,
    workers_of,
)
from infra.planning.synthetic import profile_of
from infra.spec.errors import PilotlightError

SEARCH_REQUESTS = 1_000
_FAR = 3.0
_WORTH_COMPILING = 12  # different behaviours, such as a language model has on each card
_PLOTTED = 2  # minima whose settings are played for the plot


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
        late = soonest(request, profile, run.refused, catalog, book, root)
        if late is not None:
            return late
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
        frontier=frontier(run.played(shown), shown, request.slo),
        reasons=reasons_of(request, profile, chosen, others, always_on, shown),
        candidates=run.considered,
        notes=(*profile.notes, *_assumed(request, profile)),
    )


def _assumed(request: PlanRequest, profile: TrafficProfile) -> list[str]:
    if request.gpu != "auto" or profile.services is None:
        return []
    return [
        "requests are taken to need as long on every card: declare `llm`, or name the card that they were measured on"
    ]


@dataclass(frozen=True)
class _Group:
    """Candidates of one place that differ in scaler and maximum, and what none of them stays below."""

    at_least: float
    place: Place
    least: int
    timeout: int


class _Search:
    def __init__(
        self, request: PlanRequest, profile: TrafficProfile, catalog: Catalog, book: PriceBook
    ) -> None:
        self.request, self.profile, self.catalog, self.book = request, profile, catalog, book
        self.behaviours = Behaviours(request, profile.sampled(SEARCH_REQUESTS), catalog)
        self.found: dict[Place, Behaviour] = {}
        self.groups: list[_Group] = []
        self._played: dict[Candidate, Behaviour] = {}
        self._missed: dict[Place, str] = {}
        self._enough: dict[object, float] = {}
        offered, self.refused = places(request, catalog, book)
        timeouts: dict[int, list[int]] = {}
        for place in offered:
            behaviour = self.behaviours.of(place)
            if isinstance(behaviour, str):
                self.refused.append(Refused(str(place), behaviour))
                continue
            self.found[place] = behaviour
            if id(behaviour) not in timeouts:
                timeouts[id(behaviour)] = behaviour.timeouts(request.slo)
            for timeout in timeouts_of(place, timeouts[id(behaviour)], request, catalog):
                for least in self._minima():
                    cost = behaviour.at_least(place, least, timeout)
                    self.groups.append(_Group(cost, place, least, timeout))
        if len(timeouts) > _WORTH_COMPILING:
            kernel.prepare()
        self.groups.sort(key=lambda group: (group.at_least, str(group.place), group.least, group.timeout))
        self.considered = sum(len(self._settings(group)) for group in self.groups)

    def best(self, cloud: str) -> EndpointPlan | None:
        """The cheapest there that holds, None when none does."""
        pending = [group for group in reversed(self.groups) if group.place.cloud == cloud]
        heap: list[tuple[tuple[object, ...], Candidate]] = []
        while pending or heap:
            while pending and (not heap or pending[-1].at_least <= heap[0][1].usd_per_month):
                for candidate in self.candidates(pending.pop(), spare=True):
                    heappush(heap, (candidate.order, candidate))
            if not heap:
                break
            _, candidate = heappop(heap)
            plan = self.holds(candidate)
            if plan is not None:
                return plan
        return None

    def holds(self, candidate: Candidate) -> EndpointPlan | None:
        """Its plan if it keeps SLO and budget at the pessimistic end."""
        behaviour, slo = self.found[candidate.place], self.request.slo
        reason = behaviour.misses(candidate.setting, slo, self.catalog) if slo else ""
        reason = reason or self._far_over_budget(behaviour, candidate)
        plan = None if reason else self.plan(candidate)
        if plan is not None and not plan.breaches:
            return plan
        self._missed.setdefault(candidate.place, reason or (plan.breaches[0] if plan else ""))
        return None

    def _far_over_budget(self, behaviour: Behaviour, candidate: Candidate) -> str:
        """Spares the whole plan of what the sample shows to be out of reach; close calls are left to the plan."""
        budget = self.request.budget
        if budget is None:
            return ""
        high = behaviour.high_usd_per_month(candidate.place, candidate.setting, self.catalog)
        if high <= 1.2 * float(budget.usd_per_month):
            return ""
        return f"${high:,.2f} a month at the high end is over the budget of ${budget.usd_per_month:,}"

    def plan(self, candidate: Candidate) -> EndpointPlan:
        request = placed(self.request, candidate.place, candidate.setting)
        return evaluate(request, self.catalog, self.book, profile=self.profile)

    def candidates(self, group: _Group, *, spare: bool) -> Iterator[Candidate]:
        """The group's, played. To `spare`: those that must miss the SLO are left out unplayed."""
        behaviour = self.found[group.place]
        for setting in self._settings(group):
            work = behaviour.workload.work_share
            if work >= 0.98 * setting.workers.max:
                reason = f"{setting.workers.max} workers cannot keep up with the work of {work:.1f}"
                self._missed.setdefault(group.place, reason)
            elif not spare or setting.idle_timeout_s >= self._shortest(group, setting):
                yield self._candidate(group.place, setting)

    def best_effort(self) -> EndpointPlan | None:
        """Of what misses something, the one that waits least, then the cheapest."""

        def wait(candidate: Candidate) -> tuple[object, ...]:
            score = self._played[candidate].score(candidate.setting, self.catalog)
            return (round(score.p95, 3), round(score.p99, 3), *candidate.order)

        return self.plan(min(self._played, key=wait)) if self._played else None

    def played(self, shown: EndpointPlan | None) -> Iterator[tuple[str, float, float]]:
        """Candidate, US dollars a month, p95 of the wait in seconds; those around the shown one played for it."""
        if shown is not None and self.request.workers == "auto":
            for group in self.groups:
                if (group.place.cloud, ", ".join(group.place.gpus) or None) != (shown.cloud, shown.gpu):
                    continue
                for setting in self._settings(group):
                    if setting.workers.max == max(shown.workers.max, group.least) and group.least < _PLOTTED:
                        self._candidate(group.place, setting)
        for candidate, behaviour in self._played.items():
            score = behaviour.score(candidate.setting, self.catalog)
            yield str(candidate), candidate.usd_per_month, score.p95

    def verdicts(self, chosen: EndpointPlan | None) -> Iterator[Refused]:
        """Why each place was not chosen."""
        yield from self.refused
        cost = float(chosen.cost.expected or 0) if chosen else 0.0
        for place in self.found:
            if chosen and (place.cloud, ", ".join(place.gpus) or None) == (chosen.cloud, chosen.gpu):
                continue
            mine = [candidate.usd_per_month for candidate in self._played if candidate.place == place]
            least = min(group.at_least for group in self.groups if group.place == place) + 0.01
            if place in self._missed and (not chosen or min(mine, default=least) <= cost):
                yield Refused(str(place), self._missed[place])
            else:
                yield Refused(str(place), f"dearer: from ${min(mine, default=least):,.2f} a month")

    def _minima(self) -> Sequence[int]:
        return MINIMA if self.request.workers == "auto" else (self.request.workers.min,)

    def _settings(self, group: _Group) -> list[Setting]:
        request, catalog, place = self.request, self.catalog, group.place
        return [
            Setting(workers, group.timeout, scaler)
            for scaler in scalers_of(place, group.timeout, request, catalog)
            for workers in workers_of(place, group.least, request)
        ]

    def _candidate(self, place: Place, setting: Setting) -> Candidate:
        behaviour = self.found[place]
        candidate = Candidate(behaviour.usd_per_month(place, setting, self.catalog), place, setting)
        self._played[candidate] = behaviour
        return candidate

    def _shortest(self, group: _Group, setting: Setting) -> float:
        """The shortest idle timeout with which the waits of the SLO can be met, sought by halving with all the workers
        that there may be: with less of either nobody waits less, but for the luck of which request gets which boot. So
        only those count as too short that miss it by far."""
        slo, place, scaler = self.request.slo, group.place, setting.scaler
        if slo is None or self.request.workers != "auto":
            return 0.0
        behaviour = self.found[place]
        key = (id(behaviour), place.most, scaler, group.least)
        if key in self._enough:
            return self._enough[key]
        workers = workers_of(place, group.least, self.request)[0]
        timeouts = sorted(
            {
                other.timeout
                for other in self.groups
                if other.place == place
                and scaler in scalers_of(place, other.timeout, self.request, self.catalog)
            }
        )
        low, high = 0, len(timeouts)
        while low < high:
            middle = (low + high) // 2
            tried = Setting(workers, timeouts[middle], scaler)
            reason = behaviour.misses(tried, slo, self.catalog, beyond=_FAR)
            self._candidate(place, tried)
            if reason:
                self._missed.setdefault(place, reason)
                low = middle + 1
            else:
                high = middle
        self._enough[key] = timeouts[low] if low < len(timeouts) else inf
        return self._enough[key]


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
