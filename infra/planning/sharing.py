"""The event engine for workers that serve several requests at once, each the slower the more there are, and for
Modal's spare workers. Processor sharing: a worker with n requests serves each of them at `policy.rates[n-1]`."""

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil, inf

from infra.planning.run import Boot, Outcome, Policy

_END, _READY, _DONE = 0, 1, 2


class _Worker:
    """`clock` is its own time: seconds of service that each request has had since the first one came."""

    __slots__ = ("born", "clock", "fresh", "idle_since", "jobs", "number", "seen", "stamp", "state")

    def __init__(self, number: int, born: float, now: float, ready: bool) -> None:
        self.number, self.born, self.seen, self.idle_since = number, born, now, now
        self.state = "ready" if ready else "starting"
        self.fresh = not ready
        self.clock, self.stamp = 0.0, 0
        self.jobs: list[tuple[float, int]] = []


class Sharing:
    """One run. `arrivals` ascend; `boots` are taken in turn."""

    def __init__(
        self,
        arrivals: Sequence[float],
        services: Sequence[float],
        policy: Policy,
        boots: Sequence[Boot],
        horizon: float,
    ) -> None:
        self.arrivals, self.services, self.policy, self.boots = arrivals, services, policy, boots
        self.horizon, self.maximum = horizon, policy.maximum
        self.workers: dict[int, _Worker] = {}
        self.events: list[tuple[float, int, int, int]] = []
        self.queue: deque[int] = deque()
        self.waits = [inf] * len(arrivals)
        self.made = self.booted = self.cold = self.running = self.peak = 0
        self.billed = self.busy = 0.0
        self.added, self.look = -inf, inf

    def run(self) -> Outcome:
        for _ in range(self.policy.minimum):
            self._add(0.0, None)
        caps = deque(self.policy.caps)
        for number, now in enumerate((*self.arrivals, inf)):
            self._until(now)
            while caps and caps[0][0] <= now:
                self.maximum = min(self.maximum, caps.popleft()[1])
            if now < inf:
                self.queue.append(number)
                self._hand_out(now)
                self._scale(now)
        for worker in sorted(self.workers.values(), key=lambda worker: worker.idle_since):
            self._bill(worker, self.horizon)
        return Outcome(self.billed, self.busy, self.booted, self.cold, self.waits, self.peak)

    def _until(self, now: float) -> None:
        while True:
            at = self.events[0][0] if self.events else inf
            if self.look < at and self.look <= now and self.look < inf:
                at, self.look = self.look, inf
                self._scale(at)
                continue
            if at > now or at == inf:
                return
            _, kind, number, stamp = heappop(self.events)
            worker = self.workers.get(number)
            if worker is None or stamp != worker.stamp:
                continue
            if kind == _READY:
                worker.state, worker.idle_since = "ready", at
            elif kind == _DONE:
                self._move_on(worker, at)
                heappop(worker.jobs)
                self.running -= 1
                worker.idle_since = at
            else:
                self._let_go(at)
                continue
            worker.stamp += 1
            self._hand_out(at)
            self._expect(worker, at)
            self._scale(at)
            self._let_go(at)

    def _hand_out(self, now: float) -> None:
        limit, least = self.policy.concurrency, self.policy.pick == "least"
        while self.queue:
            room = [w for w in self.workers.values() if w.state == "ready" and len(w.jobs) < limit]
            if not room:
                return
            worker = min(room, key=lambda w: (len(w.jobs) if least else -len(w.jobs), w.number))
            number = self.queue.popleft()
            wait = now - self.arrivals[number]
            self.waits[number] = wait
            if worker.fresh:
                self.cold += wait > 0
                worker.fresh = False
            self._move_on(worker, now)
            heappush(worker.jobs, (worker.clock + self.services[number], number))
            self.running += 1
            worker.stamp += 1
            self._expect(worker, now)

    def _expect(self, worker: _Worker, now: float) -> None:
        """Its next event: a request is done, or it has been idle for too long."""
        if worker.jobs:
            left = max(0.0, worker.jobs[0][0] - worker.clock)
            heappush(
                self.events, (now + left / self._rate(len(worker.jobs)), _DONE, worker.number, worker.stamp)
            )
        else:
            end = worker.idle_since + self.policy.idle_timeout_s
            heappush(self.events, (end, _END, worker.number, worker.stamp))

    def _move_on(self, worker: _Worker, now: float) -> None:
        if worker.jobs:
            worker.clock += (now - worker.seen) * self._rate(len(worker.jobs))
            self.busy += max(0.0, min(now, self.horizon) - min(worker.seen, self.horizon))
        worker.seen = now

    def _rate(self, together: int) -> float:
        rates = self.policy.rates
        return rates[min(together, len(rates)) - 1]

    def _needed(self) -> int:
        if self.policy.rule == "queue_delay":
            return self.policy.minimum
        needed = ceil((len(self.queue) + self.running) / self.policy.value)
        return max(needed + (self.policy.buffer if needed else 0), self.policy.minimum)

    def _scale(self, now: float) -> None:
        self.look = inf
        live = len(self.workers)
        if self.policy.rule == "request_count":
            wanted = min(self._needed(), self.maximum) - live
        else:
            wanted = self._by_delay(now, live)
        for _ in range(wanted):
            boot = self.boots[self.booted % len(self.boots)]
            self.booted += 1
            self._add(now, boot)
        if wanted > 0 and self.policy.rule == "queue_delay":
            self._by_delay(now, live + wanted)

    def _by_delay(self, now: float, live: int) -> int:
        starting = sum(worker.state == "starting" for worker in self.workers.values())
        if not self.queue or starting >= len(self.queue) or live >= self.maximum:
            return 0
        if live == 0:
            return 1
        due = max(self.arrivals[self.queue[0]], self.added) + self.policy.value
        if due <= now:
            return 1
        self.look = due
        return 0

    def _add(self, now: float, boot: Boot | None) -> None:
        worker = _Worker(self.made, now + (boot.unbilled if boot else 0.0), now, boot is None)
        self.workers[worker.number] = worker
        self.made += 1
        self.peak = max(self.peak, len(self.workers))
        if boot is None:
            self._expect(worker, now)
            return
        self.added = now
        heappush(self.events, (now + boot.seconds, _READY, worker.number, worker.stamp))

    def _let_go(self, now: float) -> None:
        spare = len(self.workers) - max(min(self._needed(), self.maximum), self.policy.minimum)
        if spare <= 0:
            return
        timeout = self.policy.idle_timeout_s
        idle = [w for w in self.workers.values() if w.state == "ready" and not w.jobs]
        idle.sort(key=lambda worker: (worker.idle_since, worker.number))
        for worker in idle[:spare]:
            if worker.idle_since + timeout > now:
                return
            self._bill(worker, now)
            del self.workers[worker.number]

    def _bill(self, worker: _Worker, end: float) -> None:
        run = max(0.0, min(end, self.horizon) - worker.born)
        self.billed += ceil(run - 1e-9) if self.policy.whole_seconds and end < self.horizon else run
