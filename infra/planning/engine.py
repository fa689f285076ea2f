"""The event engine for workers that serve one request at a time: a heap, nothing else. Written for speed.

Requests wait in one queue, first come first served. The state changes at arrivals, when a worker becomes free or
ready, and when the queue-delay rule looks again; idle workers are let go lazily, which changes nothing: nobody needs
to know of their end before the next request comes.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil, inf

from infra.planning.run import Boot, Outcome, Policy


def run_single(
    arrivals: Sequence[float],
    services: Sequence[float],
    policy: Policy,
    boots: Sequence[Boot],
    horizon: float,
) -> Outcome:
    """`arrivals` ascend from 0 on; `boots` are taken in turn, from the start again when they are used up."""
    by_count = policy.rule == "request_count"
    value, timeout, minimum = policy.value, policy.idle_timeout_s, policy.minimum
    whole, maximum, caps = policy.whole_seconds, policy.maximum, iter(policy.caps)
    cap_at, cap = next(caps, (inf, 0))
    until = _bill_until(whole, horizon)

    born = [0.0] * minimum  # when each worker goes on the bill
    since = [0.0] * minimum  # when it last became idle
    fresh = [False] * minimum
    idle = list(range(minimum))  # a heap of numbers: the oldest worker is taken first
    next_end = 0.0 + timeout  # no idle worker ends before
    free: list[tuple[float, int]] = [(inf, -1)]  # when busy and starting workers become free
    queue: deque[int] = deque()
    waits = [0.0] * len(arrivals)
    live, starting, busy, count, boot_count, cold, peak = minimum, 0, 0, len(boots), 0, 0, minimum
    billed, look, added, number = 0.0, inf, -inf, -1

    for now, service in zip((*arrivals, inf), (*services, 0.0), strict=True):
        number += 1
        while by_count:
            at, worker = free[0]
            if at > now or at == inf:
                break
            if began := fresh[worker]:
                starting -= 1
                fresh[worker] = False
            else:
                busy -= 1
            if queue:
                first = queue.popleft()
                waits[first] = at - arrivals[first]
                cold += began
                busy += 1
                heapreplace(free, (at + services[first], worker))
                continue
            heappop(free)
            heappush(idle, worker)
            since[worker] = at
            if at + timeout < next_end:
                next_end = at + timeout
        while not by_count:
            at, worker = free[0]
            if look < at and look <= now:
                at = look
            elif at > now or at == inf:
                break
            else:
                if began := fresh[worker]:
                    starting -= 1
                    fresh[worker] = False
                else:
                    busy -= 1
                if queue:
                    first = queue.popleft()
                    waits[first] = at - arrivals[first]
                    cold += began
                    busy += 1
                    heapreplace(free, (at + services[first], worker))
                else:
                    heappop(free)
                    heappush(idle, worker)
                    since[worker] = at
                    if at + timeout < next_end:
                        next_end = at + timeout
            look = inf
            if not queue or live >= maximum or starting >= len(queue):
                continue
            due = max(arrivals[queue[0]], added) + value
            if due > at:
                look = due
                continue
            seconds, unbilled = boots[boot_count % count]
            heappush(free, (at + seconds, len(born)))
            born.append(at + unbilled)
            since.append(0.0)
            fresh.append(True)
            added, boot_count, starting, live = at, boot_count + 1, starting + 1, live + 1
            peak = max(peak, live)
            if live < maximum and starting < len(queue):
                look = at + value
        if now == inf:
            break
        if now >= cap_at:
            maximum = min(maximum, cap)
            cap_at, cap = next(caps, (inf, 0))
        if now >= next_end and idle and live > minimum:
            next_end, kept = inf, []
            # the order matters only where some of them have to stay
            for worker in sorted(idle, key=since.__getitem__) if minimum else idle:
                end = since[worker] + timeout
                if end <= now and live > minimum:
                    ran = end - born[worker]
                    billed += ceil(ran - 1e-9) if whole and end < horizon else ran
                    live -= 1
                else:
                    kept.append(worker)
                    if end < next_end:
                        next_end = end
            if len(kept) > 1:
                heapify(kept)
            idle = kept
        if idle:
            busy += 1
            heappush(free, (now + service, heappop(idle)))
            continue
        queue.append(number)
        if live >= maximum:
            continue
        if by_count:
            wanted = ceil((len(queue) + busy) / value) - live
            if wanted > maximum - live:
                wanted = maximum - live
        elif live == 0:
            wanted = 1
        else:
            wanted = 0
            if look == inf and starting < len(queue):
                look = max(arrivals[queue[0]], added) + value
                look = max(look, now)
        for _ in range(wanted):
            seconds, unbilled = boots[boot_count % count]
            heappush(free, (now + seconds, len(born)))
            born.append(now + unbilled)
            since.append(0.0)
            fresh.append(True)
            added, boot_count, starting, live = now, boot_count + 1, starting + 1, live + 1
            peak = max(peak, live)

    for number in queue:
        waits[number] = inf
    for at, worker in sorted((since[worker], worker) for worker in idle):
        billed += until(born[worker], horizon if live <= minimum else at + timeout)
        live = max(minimum, live - 1)
    return Outcome(billed, _served(arrivals, services, waits, horizon), boot_count, cold, waits, peak)


def _bill_until(whole: bool, horizon: float):  # type: ignore[no-untyped-def]
    def seconds(start: float, end: float) -> float:
        if end >= horizon:
            return max(0.0, horizon - start)
        return float(ceil(end - start - 1e-9)) if whole else end - start

    return seconds


def _served(
    arrivals: Sequence[float], services: Sequence[float], waits: Sequence[float], horizon: float
) -> float:
    """Seconds of service within the horizon: all of them, but for what the last requests have left at its end."""
    total, longest = sum(services), max(services, default=0.0)
    for number in range(len(arrivals) - 1, -1, -1):
        start = arrivals[number] + waits[number]  # later requests never start earlier
        if start + longest <= horizon:
            break
        total -= services[number] - max(0.0, min(services[number], horizon - start))
    return total
