"""What a team expects of an endpoint: the traffic it will see, how fast it must answer, what it may cost."""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Self

import pydantic

from infra.spec.base import Spec

Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
_HOURS = 24


class Traffic(Spec):
    """The requests an endpoint will see: a trace, gap quantiles by hour, or a bare rate (which is a guess)."""

    requests_per_hour: Positive | None = None
    """A bare mean rate. The plan labels what follows from it as a guess."""
    service_s: Positive | None = None
    """Mean seconds a worker spends on one request."""
    service_quantiles_s: list[Seconds] | None = None
    """Evenly spaced quantiles (lowest to highest) of those seconds, in place of the mean."""
    gap_quantiles_s: list[list[Seconds]] | None = None
    """For each hour of the day (24 rows, or 1 for all), quantiles of the seconds between requests, ascending."""
    trace: str | None = None
    """Path of a CSV, JSONL or Parquet file with one request a row, relative to the project."""
    growth: Positive = 1.0
    """Volume to plan for, as a factor on what the data says: 1.5 = half as much again."""
    interval: tuple[Positive, Positive] | None = None
    """Lowest and highest volume to reckon with, as factors on the expected one; unset = by how good the data is."""

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [
            name
            for name in ("requests_per_hour", "gap_quantiles_s", "trace")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(
                f"{found} given. Wanted: exactly one of requests_per_hour, gap_quantiles_s, trace"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.service_s is not None and self.service_quantiles_s is not None:
            raise ValueError("both service_s and service_quantiles_s given. Wanted: one of them")
        if self.service_quantiles_s is not None:
            _check_quantiles("service_quantiles_s", self.service_quantiles_s)
        if self.gap_quantiles_s is not None:
            if len(self.gap_quantiles_s) not in (1, _HOURS):
                raise ValueError(
                    f"gap_quantiles_s has {len(self.gap_quantiles_s)} rows. Wanted: 24, one an hour, or 1 for all"
                )
            for hour, row in enumerate(self.gap_quantiles_s):
                _check_quantiles(f"gap_quantiles_s[{hour}]", row)
        if self.interval is not None and not self.interval[0] <= 1 <= self.interval[1]:
            raise ValueError(
                f"interval is {self.interval[0]:g} to {self.interval[1]:g}. Wanted: factors around 1, "
                "such as 0.5 to 2"
            )
        return self


class Slo(Spec):
    """How fast an endpoint must answer, in seconds."""

    cold_start_p95_s: Positive | None = None
    """From a request that finds no worker to the worker taking it."""
    wait_p95_s: Positive | None = None
    """From a request to a worker taking it, over all requests."""
    wait_p99_s: Positive | None = None
    """The same, for 99 of 100 requests."""
    cold_share: float | None = pydantic.Field(default=None, ge=0, le=1)
    """The most of all requests (0..1) that may wait for a worker to start."""


class Budget(Spec):
    """What an endpoint may cost, in US dollars a month of 730 hours."""

    usd_per_month: Decimal = pydantic.Field(gt=0)


def _check_quantiles(name: str, row: list[float]) -> None:
    if not row:
        raise ValueError(f"{name} is empty. Wanted: at least one quantile")
    if any(later < earlier for earlier, later in pairwise(row)):
        raise ValueError(f"{name} is not ascending. Wanted: quantiles from the lowest to the highest")
    if row[-1] == 0:
        raise ValueError(f"{name} is all zeros. Wanted: seconds, at least one of them above 0")
