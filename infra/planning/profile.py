"""What is known of an endpoint's requests, in a form that can be played through a policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from statistics import fmean
from typing import Literal

from infra.planning.trace import Requests, TraceError
from infra.spec.expectations import Traffic

Basis = Literal["trace", "profile", "rate (a guess)"]
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
_BLOCKS = 24
# How far the volume may lie from what the data says, where nobody gave an interval. A month's second half asked for
# 1.5 to 2.2 times its first in a production trace (GenTD26); a bare rate is worth less than any record.
INTERVALS: dict[str, tuple[float, float]] = {
    "trace": (0.6, 1.6),
    "profile": (0.6, 1.6),
    "rate (a guess)": (0.4, 2.5),
}


@dataclass(frozen=True)
class TrafficProfile:
    """Requests from 0 on, in seconds. `services`: seconds that each keeps a worker, alone on it; None = not known.
    `horizon_s`: the time that they stand for. `interval`: the volumes to reckon with, as factors."""

    basis: Basis
    arrivals: Sequence[float]
    horizon_s: float
    services: Sequence[float] | None = None
    input_tokens: Sequence[float] | None = None
    output_tokens: Sequence[float] | None = None
    interval: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = ()
    longest_silence_s: float = 0.0
    start_s: float = 0.0
    """The moment of the first request, for the hour of the day."""

    @property
    def requests_per_hour(self) -> float:
        return len(self.arrivals) / self.horizon_s * HOUR_S

    @classmethod
    def from_requests(
        cls,
        requests: Iterable[float | tuple[float, float]] | Requests,
        *,
        basis: Basis = "trace",
        interval: tuple[float, float] | None = None,
    ) -> "TrafficProfile":
        """From moments in seconds, or (moment, seconds served) pairs, in any order. Raises `TraceError`."""
        found = requests if isinstance(requests, Requests) else _collected(requests)
        if len(found.times) < 2:
            raise TraceError(
                f"{len(found.times) or 'no'} request{'s' * (len(found.times) != 1)}",
                wanted="at least two: one says nothing of how often they come",
            )
        start, span = found.times[0], found.times[-1] - found.times[0]
        if span <= 0:
            raise TraceError("all requests come at the same moment", wanted="a span of time")
        count = len(found.times)
        arrivals = [at - start for at in found.times]
        return cls(
            basis=basis,
            arrivals=arrivals,
            horizon_s=span * count / (count - 1),
            services=found.services or None,
            input_tokens=found.input_tokens or None,
            output_tokens=found.output_tokens or None,
            interval=interval or INTERVALS[basis],
            notes=(*found.notes, *_short(span)),
            start_s=start,
            longest_silence_s=max(later - earlier for earlier, later in pairwise(arrivals)),
        )

    def sampled(self, most: int) -> "TrafficProfile":
        """At the most about `most` requests: stretches spread evenly over the time, each as it was, put end to end."""
        count = len(self.arrivals)
        if count <= most:
            return self
        size = max(2, most // _BLOCKS)
        starts = [round(block * (count - size) / (_BLOCKS - 1)) for block in range(_BLOCKS)]
        chosen: list[int] = []
        arrivals: list[float] = []
        offset = 0.0
        for start in starts:
            begin = self.arrivals[start]
            stop = start + size
            end = self.arrivals[stop] if stop < count else self.horizon_s
            arrivals.extend(offset + self.arrivals[index] - begin for index in range(start, stop))
            chosen.extend(range(start, stop))
            offset += end - begin
        return replace(
            self,
            arrivals=arrivals,
            services=_pick(self.services, chosen),
            input_tokens=_pick(self.input_tokens, chosen),
            output_tokens=_pick(self.output_tokens, chosen),
            horizon_s=offset,
            notes=(
                *self.notes,
                f"{len(chosen):,} of {count:,} requests were simulated, in {_BLOCKS} stretches",
            ),
        )

    def scaled(self, volume: float) -> "TrafficProfile":
        """The same requests in 1/`volume` of the time."""
        if volume == 1:
            return self
        return replace(
            self, arrivals=[at / volume for at in self.arrivals], horizon_s=self.horizon_s / volume
        )

    def as_traffic(self, points: int = 9) -> Traffic:
        """Gap quantiles by hour of the day in UTC (`points` a row), with the
        quantiles of the seconds served beside them."""
        by_hour: list[list[float]] = [[] for _ in range(24)]
        for earlier, later in pairwise(self.arrivals):
            by_hour[int((self.start_s + earlier) % DAY_S // HOUR_S)].append(later - earlier)
        every = sorted(gap for gaps in by_hour for gap in gaps)
        watched = {
            int((self.start_s + passed * HOUR_S) % DAY_S // HOUR_S)
            for passed in range(min(24, int(self.horizon_s // HOUR_S) + 1))
        }
        # an hour without requests is silent if it was watched; if not, nothing is known of it but the others
        silent = [max(HOUR_S, every[-1])]
        rows = [
            _quantiles(sorted(gaps) or (silent if hour in watched else every), points)
            for hour, gaps in enumerate(by_hour)
        ]
        services = None if self.services is None else _quantiles(sorted(self.services), points)
        return Traffic(
            gap_quantiles_s=[row if row[-1] > 0 else [*row[:-1], 0.001] for row in rows],
            service_quantiles_s=services if services and services[-1] > 0 else None,
        )


def _short(span_s: float) -> list[str]:
    if span_s >= DAY_S:
        return []
    return [f"the requests cover {span_s / HOUR_S:.1f} hours: a month is taken to be like them"]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Between the first and the last of `ordered`, in a straight line between neighbours."""
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2) if len(ordered) > 1 else 0
    if len(ordered) == 1:
        return ordered[0]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)


def _quantiles(ordered: Sequence[float], points: int) -> list[float]:
    """Evenly spaced, with a last point that keeps the mean of the longest: the very longest would draw it out."""
    values = [quantile(ordered, point / (points - 1)) for point in range(points)]
    longest = ordered[int(len(ordered) * (points - 2) / (points - 1)) :]
    if points > 2 and longest:
        values[-1] = max(values[-2], 2 * fmean(longest) - values[-2])
    return [round(value, 6) for value in values]


def _pick(values: Sequence[float] | None, chosen: Sequence[int]) -> Sequence[float] | None:
    return None if values is None else [values[index] for index in chosen]


def _collected(requests: Iterable[float | tuple[float, float]]) -> Requests:
    pairs = [item if isinstance(item, tuple) else (item, -1.0) for item in requests]
    for at, seconds in pairs:
        if not isfinite(at) or not isfinite(seconds) or (seconds < 0 and seconds != -1.0):
            raise TraceError(
                f"a request at {at} with {seconds} s", wanted="finite times, durations of 0 s or more"
            )
    pairs.sort()
    known = bool(pairs) and all(seconds >= 0 for _, seconds in pairs)
    return Requests([at for at, _ in pairs], [seconds for _, seconds in pairs] if known else [])
