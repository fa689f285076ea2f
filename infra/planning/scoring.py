"""Plays settings at places, each different behaviour once: a dearer card of the same speed behaves the same."""

from dataclasses import dataclass, field, replace

from infra.catalog import Catalog
from infra.planning.cold_start import Phases, phases_of
from infra.planning.cost import HOURS_PER_MONTH
from infra.planning.evaluate import play
from infra.planning.gaps import Levels, gap_sweep, levels
from infra.planning.policies import policy_of
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.space import TIMEOUTS, Place, Setting
from infra.planning.vram import vram_fit
from infra.planning.workload import Workload, workload_of
from infra.spec.expectations import Slo

_LONGEST_S = 3600


@dataclass(frozen=True)
class Score:
    """What a run showed. `billed` and `work`: workers on average."""

    billed: float
    work: float
    p50: float
    p95: float
    p99: float
    cold: float
    peak: int


@dataclass
class Behaviour:
    """What decides how an endpoint behaves, apart from its settings: its requests' seconds and its cold starts."""

    cloud: str
    workload: Workload
    phases: Phases
    _runs: dict[object, list[tuple[int, Score]]] = field(default_factory=dict)
    _levels: Levels | None = None
    _up: dict[float, float] = field(default_factory=dict)

    def score(
        self,
        setting: Setting,
        catalog: Catalog,
        *,
        volume: float = 1.0,
        slower: float = 1.0,
        worst: bool = False,
    ) -> Score:
        """Runs that never reached their maximum stand for all larger ones, which would not differ."""
        workers = setting.workers
        key = (workers.min, workers.buffer, setting.idle_timeout_s, setting.scaler, volume, slower, worst)
        known = self._runs.setdefault(key, [])
        for most, score in known:
            if most == workers.max or (score.peak < most and score.peak <= workers.max):
                return score
        policy = policy_of(
            self.cloud,
            workers,
            setting.idle_timeout_s,
            setting.scaler,
            catalog,
            concurrency=self.workload.concurrency,
            rates=self.workload.rates,
        )
        outcome = play(self.workload, policy, self.phases, volume=volume, slower=slower, worst=worst)
        p50, p95, p99 = outcome.wait(0.5, 0.95, 0.99)
        horizon = self.workload.profile.horizon_s / volume
        work = self.workload.work_share
        # what is left undone at the end of the horizon is paid for later
        billed = max(outcome.billed_s / horizon, work)
        score = Score(billed, work, p50, p95, p99, outcome.cold_share, outcome.peak)
        known.append((workers.max, score))
        return score

    def usd_per_month(self, place: Place, setting: Setting, catalog: Catalog) -> float:
        return round(self.score(setting, catalog).billed * place.usd_per_hour * HOURS_PER_MONTH, 2)

    def high_usd_per_month(self, place: Place, setting: Setting, catalog: Catalog) -> float:
        """At the high end of the traffic, with the slowest starts."""
        high, slower = self.workload.profile.interval[1], 1 + self.workload.error
        billed = self.score(setting, catalog, volume=high, slower=slower, worst=True).billed
        return min(billed, setting.workers.max) * place.usd_per_hour * HOURS_PER_MONTH

    def at_least(self, place: Place, least: int, idle_timeout_s: float = 0.0) -> float:
        """US dollars a month that no setting with this minimum and timeout stays below.

        From each request's arrival until `idle_timeout_s` after the earliest moment at which it can be done, there is
        at least one worker; it is billed, except while it is the first and has no process yet. The latter is counted
        once for each time that all workers may have been gone, which needs a timeout longer than any start.
        """
        up = self._least_up(idle_timeout_s) if least == 0 else 0.0
        workers = max(float(least), self.workload.work_share, up)
        return round(workers * place.usd_per_hour * HOURS_PER_MONTH, 2) - 0.01

    def _least_up(self, idle_timeout_s: float) -> float:
        """Workers that are billed on average whatever the settings, by the argument above."""
        if idle_timeout_s in self._up:
            return self._up[idle_timeout_s]
        boots, up = self.phases.boots(worst=False), 0.0
        if idle_timeout_s >= max(boot.seconds for boot in boots):
            first = self.levels.gaps[0] if self.levels.gaps else []
            bridged = sum(min(gap, idle_timeout_s) for gap in first)
            starts = 1 + sum(gap > idle_timeout_s for gap in first)
            unbilled = starts * max(boot.unbilled for boot in boots)
            busy = self.levels.busy_s[0] if self.levels.busy_s else 0.0
            up = (busy + bridged - unbilled) / self.workload.profile.horizon_s
        self._up[idle_timeout_s] = up
        return up

    @property
    def levels(self) -> Levels:
        if self._levels is None:
            profile = self.workload.profile
            self._levels = levels(profile.arrivals, self.workload.services, profile.horizon_s)
        return self._levels

    def misses(self, setting: Setting, slo: Slo, catalog: Catalog, *, beyond: float = 1) -> str:
        """What of the SLO it misses at the pessimistic ends; nothing if it meets it. `beyond`: only of its waits, and
        only by more than this factor."""
        low, high = self.workload.profile.interval
        slower = 1 + self.workload.error
        quiet = (
            self.score(setting, catalog, volume=low, worst=True)
            if self.phases.fast
            else self.score(setting, catalog, volume=low, slower=1 / slower)
        )
        busy = self.score(setting, catalog, volume=high, slower=slower, worst=True)
        ends = (quiet, busy, self.score(setting, catalog))
        for what, limit in ((95, slo.wait_p95_s), (99, slo.wait_p99_s)):
            value = max(score.p95 if what == 95 else score.p99 for score in ends)
            if limit is not None and round(value, 3) > limit * beyond:
                return f"wait p{what} {value:.1f} s is over the {limit:g} s of the SLO"
        cold = max(score.cold for score in ends)
        if slo.cold_share is not None and cold > slo.cold_share and beyond == 1:
            return f"{cold:.1%} of requests start cold, over the {slo.cold_share:.1%} of the SLO"
        return ""

    def timeouts(self, slo: Slo | None) -> list[int]:
        """The idle timeouts to try: the usual ones, and of all whole seconds the cheapest and the shortest that keeps
        the SLO, as the gaps have it, with some room."""
        boots = self.phases.boots(worst=True)
        boot_s = sum(boot.seconds - boot.unbilled for boot in boots) / len(boots)
        sweep = gap_sweep(self.levels, range(1, _LONGEST_S + 1), boot_s=boot_s)
        found = {int(min(sweep, key=lambda item: item.billed_s).idle_timeout_s)}
        share = _cold_allowed(slo, sorted(boot.seconds for boot in boots))
        if share is not None:
            enough = next((s for s in sweep if s.cold <= share * self.levels.requests), None)
            if enough is not None:
                found |= {
                    min(_LONGEST_S, round(enough.idle_timeout_s * room)) for room in (0.8, 1, 1.25, 1.5)
                }
        return sorted(found | set(TIMEOUTS))


class Behaviours:
    """The behaviour of each place, shared where it is the same."""

    def __init__(self, request: PlanRequest, profile: TrafficProfile, catalog: Catalog) -> None:
        self._request, self._profile, self._catalog = request, profile, catalog
        self._found: dict[object, Behaviour] = {}

    def of(self, place: Place, *, cold: bool = True) -> Behaviour | str:
        """Or why it cannot run there. Without `cold` it is always on, and how it starts does not matter."""
        request = replace(self._request, gpu_count=place.count)
        for name in place.gpus:
            fit = vram_fit(request, self._catalog.gpu(name))
            if fit is not None and not fit.fits:
                return f"does not fit: {fit.reason}"
        slowest = min(place.gpus, key=self._bandwidth, default=None)
        phases = phases_of(request, place.cloud, slowest, self._catalog)
        slo = request.slo
        if cold and slo is not None and slo.cold_start_p95_s is not None:
            slow = phases.cold_start(worst=True).p95
            if slow > slo.cold_start_p95_s:
                return f"cold start p95 {slow:.1f} s is over the {slo.cold_start_p95_s:g} s of the SLO"
        measured = self._profile.services is not None
        alike = measured and request.llm is None  # then requests take as long on any card
        key = (place.cloud, phases, None if alike else (slowest, place.count))
        if key not in self._found:
            workload = workload_of(request, self._profile, slowest, place.count, self._catalog)
            if workload is None:
                return "nothing says how long a request takes there"
            self._found[key] = Behaviour(place.cloud, workload, phases)
        return self._found[key]

    def _bandwidth(self, name: str) -> float:
        card = self._catalog.hardware(name)
        return card.bandwidth_gb_s if card else 0.0


def _cold_allowed(slo: Slo | None, boots: list[float]) -> float | None:
    """The share of requests that may start cold: as said, or as many as may wait longer than the SLO's wait."""
    if slo is None:
        return None
    shares = [slo.cold_share] if slo.cold_share is not None else []
    for limit, beyond in ((slo.wait_p95_s, 0.05), (slo.wait_p99_s, 0.01)):
        if limit is not None:
            slower = sum(seconds > limit for seconds in boots) / len(boots)
            shares.append(beyond / slower if slower > beyond else 1.0)
    return min(shares, default=None)
