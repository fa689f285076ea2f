"""Requests made up for tests, the same ones each time."""

from collections.abc import Callable
from itertools import accumulate
from random import Random

import pytest

Made = tuple[list[float], list[float]]


def poisson(count: int, rate: float, mean_service: float, seed: int = 1) -> Made:
    """Arrivals at `rate` a second and exponential services."""
    source = Random(seed)
    arrivals = list(accumulate(source.expovariate(rate) for _ in range(count)))
    services = [source.expovariate(1 / mean_service) if mean_service else 0.0 for _ in range(count)]
    return arrivals, services


@pytest.fixture(scope="session")
def made() -> Callable[..., Made]:
    return poisson
