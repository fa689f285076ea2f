"""How long an endpoint's requests keep a worker, on a given card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from infra.catalog import Catalog
from infra.planning import speed
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest

_MOST_TOGETHER = 512
"""More requests at once on a worker than any server of models takes."""


@dataclass(frozen=True)
class Workload:
    """`profile.services` are known here. `rates`: see `Policy.rates`. `error`: how far off the seconds may be.
    `concurrency`: requests that one worker serves at once."""

    profile: TrafficProfile
    rates: tuple[float, ...]
    error: float
    concurrency: int = 1
    notes: tuple[str, ...] = ()

    @property
    def services(self) -> Sequence[float]:
        return self.profile.services or ()

    @property
    def mean_service_s(self) -> float:
        return fmean(self.services)

    @property
    def work_share(self) -> float:
        """Workers that the requests keep busy on average, at the best that sharing a worker gives."""
        shared = max(together * rate for together, rate in enumerate(self.rates, 1))
        best = max(shared, self.concurrency * self.rates[-1])
        return sum(self.services) / best / self.profile.horizon_s


def workload_of(
    request: PlanRequest, profile: TrafficProfile, gpu: str | None, count: int, catalog: Catalog
) -> Workload | None:
    """None when nothing says how long a request takes there."""
    llm = request.llm
    concurrency = min(request.concurrency, _MOST_TOGETHER)
    found = None if llm is None or gpu is None else speed.llm_speed(llm, gpu, count, concurrency, catalog)
    rates = found.rates if found else (1.0,)
    if profile.services is not None:
        # measured seconds are those of the card that they were measured on
        return Workload(profile, rates, 0.0, concurrency)
    if llm is None or gpu is None or found is None:
        return None
    note = f"seconds per request are modelled for {gpu}, +-{found.error:.0%}"
    services = _by_tokens(request, profile, gpu, count, catalog)
    if services is None:
        services = [found.request_s] * len(profile.arrivals)
    return Workload(replace(profile, services=services), rates, found.error, concurrency, (note,))


def _by_tokens(
    request: PlanRequest, profile: TrafficProfile, gpu: str, count: int, catalog: Catalog
) -> list[float] | None:
    card = catalog.hardware(gpu)
    if request.llm is None or card is None or profile.input_tokens is None or profile.output_tokens is None:
        return None
    llm, scale = request.llm, speed.calibration(request.llm, catalog)
    zero = speed.request_s(llm, card, count, scale, 0, 0)
    by_input = speed.request_s(llm, card, count, scale, 1, 0) - zero
    by_output = speed.request_s(llm, card, count, scale, 0, 1) - zero
    pairs = zip(profile.input_tokens, profile.output_tokens, strict=True)
    return [zero + tokens_in * by_input + tokens_out * by_output for tokens_in, tokens_out in pairs]
