"""Formulas that the engines are held against. None of them predicts a bill: real traffic is not Poisson.

`arrival` and `service` are rates per second, times are seconds.
"""

from dataclasses import dataclass
from math import exp


def erlang_c(servers: int, load: float) -> float:
    """The share of requests that wait in M/M/k; `load` = arrival / service rate, below `servers`. Erlang 1917."""
    term, below = 1.0, 0.0
    for busy in range(servers):
        below += term
        term *= load / (busy + 1)
    full = term * servers / (servers - load)
    return full / (below + full)


def mmk_wait(servers: int, arrival: float, service: float) -> float:
    """Mean wait in M/M/k."""
    return erlang_c(servers, arrival / service) / (servers * service - arrival)


def mmk_wait_longer(servers: int, arrival: float, service: float, seconds: float) -> float:
    """The share of requests of M/M/k that wait longer than `seconds`."""
    return erlang_c(servers, arrival / service) * exp(-(servers * service - arrival) * seconds)


def mm1_setup_response(arrival: float, service: float, setup_s: float) -> float:
    """Mean time in an M/M/1 that is off whenever empty, with an exponential setup of mean `setup_s`."""
    return 1 / (service - arrival) + setup_s


@dataclass(frozen=True)
class DelayedOff:
    """M/M/1 that stays on for exactly T idle seconds, then needs a fixed setup: Welch 1964, exceptional first service."""

    response_s: float
    setups_per_request: float
    billed_share: float


def mm1_delayed_off(arrival: float, service: float, setup_s: float, timeout_s: float) -> DelayedOff:
    """The first request after an idle time longer than `timeout_s` pays the setup."""
    cold = exp(-arrival * timeout_s)
    rho = arrival / service
    response = 1 / (service - arrival) + (2 * cold * setup_s + arrival * cold * setup_s**2) / (
        2 * (1 + arrival * cold * setup_s)
    )
    cycle = (1 / arrival + cold * setup_s) / (1 - rho)
    return DelayedOff(
        response_s=response,
        setups_per_request=cold * (1 - rho) / (1 + arrival * cold * setup_s),
        billed_share=1 - (cold / arrival) / cycle,
    )


def keep_alive_hit_rate(arrival: float, timeout_s: float) -> float:
    """Poisson requests of no length: the share that finds the worker still on, which is also the share of time it is."""
    return 1 - exp(-arrival * timeout_s)


def break_even_rate(boot_s: float) -> float:
    """Requests a second from which keeping a worker on for good beats booting it for each (Poisson)."""
    return 1 / boot_s
