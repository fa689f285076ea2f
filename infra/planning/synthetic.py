"""From what a team declares of its traffic to requests that can be played: the same ones each time."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import log
from pathlib import Path
from random import Random

from infra.planning.profile import DAY_S, HOUR_S, INTERVALS, TrafficProfile, quantile
from infra.planning.trace import read_trace
from infra.spec.expectations import Traffic

MONTH_S = 730 * HOUR_S
_SEED = 2026
_LEAST_REQUESTS = 200  # a rate so low that a month has fewer is played for longer


def profile_of(traffic: Traffic, root: Path | None, most: int) -> TrafficProfile:
    """At the most about `most` requests. `root`: what a trace's path is relative to. Raises `TraceError`."""
    if traffic.trace is not None:
        profile = _from_file((root or Path.cwd()) / traffic.trace).sampled(most)
        if profile.services is None:
            services = _services(traffic, len(profile.arrivals))
            profile = replace(profile, services=services)
    elif traffic.gap_quantiles_s is not None:
        profile = _from_gaps(traffic, traffic.gap_quantiles_s, most)
    else:
        profile = _from_rate(traffic, traffic.requests_per_hour or 1.0, most)
    if traffic.interval is not None:
        profile = replace(profile, interval=traffic.interval)
    return profile.scaled(traffic.growth)


def _from_file(path: Path) -> TrafficProfile:
    try:
        stat = path.stat()
    except OSError:
        return TrafficProfile.from_requests(read_trace(path))
    return _read_once(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _read_once(path: Path, changed: int, size: int) -> TrafficProfile:
    return TrafficProfile.from_requests(read_trace(path))


def _from_rate(traffic: Traffic, per_hour: float, most: int) -> TrafficProfile:
    """Poisson: the least that a bare rate says. Real requests come in bursts, so cost and cold starts are off, mostly
    too high."""
    rate = per_hour / HOUR_S
    horizon = max(MONTH_S, _LEAST_REQUESTS / rate)
    count = int(min(most, max(2, rate * horizon)))
    horizon = count / rate
    source = Random(_SEED)
    arrivals, now = [], 0.0
    for _ in range(count):
        now -= log(1.0 - source.random()) / rate
        arrivals.append(now)
    return _made("rate (a guess)", traffic, _fitted(arrivals, horizon), horizon)


def _from_gaps(traffic: Traffic, rows: Sequence[Sequence[float]], most: int) -> TrafficProfile:
    """Walks through the hours; a gap that outlasts its hour goes on at the next hour's pace."""
    source = Random(_SEED)
    whole_days = max(1, round(MONTH_S / DAY_S))
    pace = _mean_rate(rows)
    count_a_month = pace * whole_days * DAY_S
    days = whole_days if count_a_month <= most else max(1, int(most / (pace * DAY_S)))
    # with more requests a day than may be played, each hour is played in part
    part = min(1.0, most / max(1.0, pace * DAY_S * days))
    hour_s = HOUR_S * part
    horizon = days * 24 * hour_s
    arrivals: list[float] = []
    now, hour = 0.0, 0
    while now < horizon and len(arrivals) <= 2 * most:
        share, left = source.random(), 1.0
        while now < horizon:
            gap = quantile(rows[hour % len(rows)], share)
            if now + left * gap <= (hour + 1) * hour_s or gap <= 0:
                now += left * gap
                break
            left -= max(0.0, (hour + 1) * hour_s - now) / gap
            hour += 1
            now = hour * hour_s
        if now < horizon:
            arrivals.append(now)
    if len(arrivals) < 2:
        arrivals = [0.0, horizon / 2]
    return _made("profile", traffic, arrivals, horizon)


def _mean_rate(rows: Sequence[Sequence[float]]) -> float:
    means = [max(1e-6, sum(quantile(row, (step + 0.5) / 50) for step in range(50)) / 50) for row in rows]
    return sum(1 / mean for mean in means) / len(means)


def _fitted(arrivals: list[float], horizon: float) -> list[float]:
    """Stretched so that the last request lies as far before the end as one would expect: the rate is exact."""
    factor = horizon * len(arrivals) / (len(arrivals) + 1) / arrivals[-1]
    return [at * factor for at in arrivals]


def _made(basis: str, traffic: Traffic, arrivals: list[float], horizon: float) -> TrafficProfile:
    gaps = map(float.__sub__, arrivals[1:], arrivals)
    return TrafficProfile(
        basis=basis,  # type: ignore[arg-type]
        arrivals=arrivals,
        horizon_s=horizon,
        services=_services(traffic, len(arrivals)),
        interval=INTERVALS[basis],
        longest_silence_s=max(gaps, default=horizon),
    )


def _services(traffic: Traffic, count: int) -> list[float] | None:
    if traffic.service_s is not None:
        return [traffic.service_s] * count
    if traffic.service_quantiles_s is not None:
        source = Random(_SEED + 1)
        return [quantile(traffic.service_quantiles_s, source.random()) for _ in range(count)]
    return None
