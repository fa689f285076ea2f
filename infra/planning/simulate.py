"""Play requests through a policy: the fastest engine that can do it."""

from collections.abc import Sequence
from dataclasses import replace

from infra.planning import kernel
from infra.planning.engine import run_single
from infra.planning.run import Boot, Outcome, Policy
from infra.planning.sharing import Sharing

_COMPILE_FROM = 200_000
"""Requests from which the second that compiling takes in a process is worth it."""
_COMPILE_TO_WORKERS = 64
"""The compiled engine looks at all workers for each event: with more of them the heap wins."""


def simulate(
    arrivals: Sequence[float],
    services: Sequence[float],
    policy: Policy,
    boots: Sequence[Boot],
    horizon: float,
) -> Outcome:
    """`arrivals` ascend from 0, `services` are seconds alone on a worker, `boots` are taken in turn. Same input, same
    answer, whichever engine runs."""
    outcome = _played(arrivals, services, policy, boots, horizon)
    if not policy.stop_s:
        return outcome
    # a worker that is stopping is on the bill and does nothing else: nobody waits for it, so it changes nothing but cost
    stopped = max(0, outcome.boots - policy.minimum)
    return replace(outcome, billed_s=outcome.billed_s + stopped * policy.stop_s)


def _played(
    arrivals: Sequence[float],
    services: Sequence[float],
    policy: Policy,
    boots: Sequence[Boot],
    horizon: float,
) -> Outcome:
    if policy.concurrency > 1 or policy.buffer > 0:
        return Sharing(arrivals, services, policy, boots, horizon).run()
    compiled = kernel.ready or (len(arrivals) >= _COMPILE_FROM and kernel.available())
    if compiled and policy.maximum <= _COMPILE_TO_WORKERS:
        return kernel.run_kernel(arrivals, services, policy, boots, horizon)
    return run_single(arrivals, services, policy, boots, horizon)
