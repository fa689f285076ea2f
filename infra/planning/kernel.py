"""The second engine: the same semantics as `engine`, written over plain arrays so that numba can compile it.

Independent of the first on purpose (linear scans in place of heaps, idle workers ended when a scan meets them), so
that the two check each other. Compiled, it is the fast one; uncompiled it still runs, slowly.
"""

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from math import ceil, inf
from typing import Any

from infra.planning.run import Boot, Outcome, Policy

_GONE, _STARTING, _BUSY, _IDLE = 0, 1, 2, 3


ready = False
"""Whether this process has the compiled engine already."""


def available() -> bool:
    """Whether numba is installed (the dependency group `fast`)."""
    return find_spec("numba") is not None


def run_kernel(
    arrivals: Sequence[float],
    services: Sequence[float],
    policy: Policy,
    boots: Sequence[Boot],
    horizon: float,
    *,
    compiled: bool = True,
) -> Outcome:
    """As `engine.run_single`. `compiled` needs numba; the first compiled call of a process takes a second."""
    count = max(policy.maximum, policy.minimum, 1)
    waits = array("d", [inf]) * len(arrivals)
    numbers = array("d", [0.0]) * 6
    scan: Callable[..., Any] = _compiled() if compiled else _scan
    scan(
        _doubles(arrivals),
        _doubles(services),
        array("d", (boot.seconds for boot in boots)),
        array("d", (boot.unbilled for boot in boots)),
        array("d", (at for at, _ in policy.caps)),
        array("q", (cap for _, cap in policy.caps)),
        policy.rule == "request_count",
        float(policy.value),
        policy.minimum,
        policy.maximum,
        float(policy.idle_timeout_s),
        policy.whole_seconds,
        float(horizon),
        waits,
        array("q", [0]) * count,
        array("q", [0]) * count,
        array("d", [0.0]) * count,
        array("d", [0.0]) * count,
        numbers,
    )
    billed, busy, boot_count, cold, peak, _ = numbers
    return Outcome(billed, busy, int(boot_count), int(cold), waits, int(peak))


def prepare() -> bool:
    """Compile now, or load what an earlier process compiled, for a search that is worth it. False without numba."""
    if not available():
        return False
    run_kernel([0.0], [1.0], Policy(), [Boot(1.0)], 10.0)
    return True


@cache
def _compiled() -> Callable[..., Any]:
    import numba  # type: ignore[import-not-found,unused-ignore]

    global ready
    compiled: Callable[..., Any] = numba.njit(cache=True)(_scan)
    ready = True
    return compiled


def _doubles(values: Sequence[float]) -> "array[float]":
    return values if isinstance(values, array) else array("d", values)


def _scan(  # type: ignore[no-untyped-def]
    arrivals,
    services,
    boot_seconds,
    boot_unbilled,
    cap_times,
    cap_values,
    by_count,
    value,
    minimum,
    maximum,
    timeout,
    whole,
    horizon,
    waits,
    state,
    order,
    moment,  # when a starting or busy worker becomes free, when an idle one became idle
    born,
    numbers,
):
    requests, workers, boots, caps = len(arrivals), len(state), len(boot_seconds), len(cap_times)
    live, starting, busy, started, cold, peak, made = minimum, 0, 0, 0, 0, minimum, minimum
    head, cap = 0, 0
    billed, served, look, added = 0.0, 0.0, inf, -inf
    for worker in range(minimum):
        state[worker], order[worker] = _IDLE, worker
    for number in range(requests + 1):
        now = arrivals[number] if number < requests else inf
        while True:
            which, at = -1, inf
            for worker in range(workers):
                if (state[worker] == _STARTING or state[worker] == _BUSY) and (
                    moment[worker] < at
                    or (moment[worker] == at and which >= 0 and order[worker] < order[which])
                ):
                    which, at = worker, moment[worker]
            if look < at and look <= now:
                which, at = -1, look
            elif which < 0 or at > now:
                break
            if which >= 0:
                first_job = state[which] == _STARTING
                if first_job:
                    starting -= 1
                else:
                    busy -= 1
                if head < number:
                    waits[head] = at - arrivals[head]
                    if first_job:
                        cold += 1
                    busy += 1
                    state[which], moment[which] = _BUSY, at + services[head]
                    served += max(0.0, min(services[head], horizon - at))
                    head += 1
                else:
                    state[which], moment[which] = _IDLE, at
            look = inf
            if by_count or head >= number or live >= maximum or starting >= number - head:
                continue
            due = max(arrivals[head], added) + value
            if due > at:
                look = due
                continue
            for worker in range(workers):
                if state[worker] == _GONE:
                    state[worker], order[worker] = _STARTING, made
                    moment[worker] = at + boot_seconds[started % boots]
                    born[worker] = at + boot_unbilled[started % boots]
                    break
            added, made, started, starting, live = at, made + 1, started + 1, starting + 1, live + 1
            peak = max(peak, live)
            if live < maximum and starting < number - head:
                look = at + value
        if number == requests:
            break
        while cap < caps and now >= cap_times[cap]:
            maximum = min(maximum, cap_values[cap])
            cap += 1
        while live > minimum:  # the one idle for longest first
            which = -1
            for worker in range(workers):
                if state[worker] == _IDLE and (
                    which < 0
                    or moment[worker] < moment[which]
                    or (moment[worker] == moment[which] and order[worker] < order[which])
                ):
                    which = worker
            if which < 0 or moment[which] + timeout > now:
                break
            run = min(moment[which] + timeout, horizon) - born[which]
            if whole and moment[which] + timeout < horizon:
                run = ceil(run - 1e-9)
            billed += max(0.0, run)
            state[which] = _GONE
            live -= 1
        which = -1
        for worker in range(workers):
            if state[worker] == _IDLE and (which < 0 or order[worker] < order[which]):
                which = worker
        if which >= 0:
            state[which], moment[which] = _BUSY, now + services[number]
            served += max(0.0, min(services[number], horizon - now))
            waits[number] = 0.0
            busy += 1
            head = number + 1
            continue
        queued = number + 1 - head
        if live >= maximum:
            continue
        wanted = 0
        if by_count:
            wanted = min(maximum, int(ceil((queued + busy) / value))) - live  # noqa: RUF046 (numba's is a float)
        elif live == 0:
            wanted = 1
        elif look == inf and starting < queued:
            look = max(now, max(arrivals[head], added) + value)
        for _ in range(wanted):
            for worker in range(workers):
                if state[worker] == _GONE:
                    state[worker], order[worker] = _STARTING, made
                    moment[worker] = now + boot_seconds[started % boots]
                    born[worker] = now + boot_unbilled[started % boots]
                    break
            added, made, started, starting, live = now, made + 1, started + 1, starting + 1, live + 1
            peak = max(peak, live)
    while live > 0:
        which = -1
        for worker in range(workers):
            if state[worker] == _IDLE and (
                which < 0
                or moment[worker] < moment[which]
                or (moment[worker] == moment[which] and order[worker] < order[which])
            ):
                which = worker
        if which < 0:
            break
        end = horizon if live <= minimum else min(moment[which] + timeout, horizon)
        run = end - born[which]
        if whole and end < horizon:
            run = ceil(run - 1e-9)
        billed += max(0.0, run)
        state[which] = _GONE
        live -= 1
    numbers[0], numbers[1], numbers[2] = billed, served, started
    numbers[3], numbers[4] = cold, peak
