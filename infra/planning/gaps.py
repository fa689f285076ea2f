"""Every idle timeout at once: what a fleet of workers costs follows from how long its levels lie idle.

With enough workers and no waiting, level j is busy whenever at least j requests are in service. Between two busy
times of a level lies a gap g: a worker that is kept for T seconds costs min(g, T) of it, and the request that ends a
gap longer than T starts cold. So one pass over the requests answers for all T.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Levels:
    """`gaps[j]`: the gaps of level j+1, in seconds, in order. `busy_s[j]`: how long it is busy within the horizon."""

    gaps: list[list[float]]
    busy_s: list[float]
    ends: list[float]
    requests: int
    horizon: float

    @property
    def work_s(self) -> float:
        return sum(self.busy_s)


@dataclass(frozen=True)
class Sweep:
    """One idle timeout: worker-seconds on the bill, and requests that start cold."""

    idle_timeout_s: float
    billed_s: float
    cold: int


def levels(arrivals: Sequence[float], services: Sequence[float], horizon: float) -> Levels:
    """The levels of requests that never wait. `arrivals` ascend."""
    ends = sorted(map(float.__add__, arrivals, services))
    last: list[float] = []
    gaps: list[list[float]] = []
    risen: list[float] = []
    busy: list[float] = []
    level, done = 0, 0
    for now in arrivals:
        while ends[done] <= now:
            level -= 1
            last[level] = ends[done]
            busy[level] += ends[done] - risen[level]
            done += 1
        if level == len(last):
            last.append(0.0)
            gaps.append([])
            busy.append(0.0)
            risen.append(now)
        else:
            gaps[level].append(now - last[level])
            risen[level] = now
        level += 1
    while level:
        level -= 1
        last[level] = min(ends[done], horizon)
        busy[level] += max(0.0, last[level] - risen[level])
        done += 1
    return Levels(gaps, busy, last, len(arrivals), horizon)


def gap_sweep(
    found: Levels, timeouts: Sequence[float], *, boot_s: float = 0.0, minimum: int = 0
) -> list[Sweep]:
    """For each timeout. `boot_s`: billed seconds of one start. Exact where requests never wait, within a few percent
    where they wait for boots; for clouds that start a worker for each request that finds none."""
    elastic = found.gaps[minimum:]
    gaps = sorted(gap for level in elastic for gap in level)
    sums = [0.0, *accumulate(gaps)]
    tails = [found.horizon - end for end in found.ends[minimum:]]
    always = minimum * found.horizon + sum(found.busy_s[minimum:]) + len(elastic) * boot_s
    total, swept = len(gaps), []
    for timeout in timeouts:
        kept = bisect_right(gaps, timeout)
        off = total - kept
        tail = sum(min(max(0.0, rest), timeout) for rest in tails)
        swept.append(
            Sweep(timeout, always + tail + sums[kept] + off * (timeout + boot_s), off + len(elastic))
        )
    return swept


def clairvoyant_s(found: Levels, boot_s: float) -> float:
    """The least worker-seconds that serve every request at once, for one who knows the future and pays `boot_s` for
    each start: a gap is bridged when that is cheaper. With queueing, less is possible, down to `work_s`."""
    bridged = sum(min(gap, boot_s) for level in found.gaps for gap in level)
    return found.work_s + bridged + len(found.gaps) * boot_s
