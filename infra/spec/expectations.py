"""What a team expects of an endpoint: the traffic it will see, how fast it must answer, what it may cost."""

from decimal import Decimal
from typing import Self

import pydantic

from infra.spec.base import Spec


class Traffic(Spec):
    """The requests an endpoint will see: a trace, gap quantiles by hour, or a bare rate (which is a guess)."""

    requests_per_hour: float | None = pydantic.Field(default=None, gt=0)
    """A bare mean rate. The plan labels what follows from it as a guess."""
    service_s: float | None = pydantic.Field(default=None, gt=0)
    """Mean seconds a worker spends on one request."""
    gap_quantiles_s: list[list[float]] | None = None
    """For each hour of the day (24 rows), quantiles of the seconds between requests, ascending."""
    trace: str | None = None
    """Path of a CSV, JSONL or Parquet file with one request a row, relative to the project."""

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


class Slo(Spec):
    """How fast an endpoint must answer, in seconds."""

    cold_start_p95_s: float | None = pydantic.Field(default=None, gt=0)
    """From a request that finds no worker to the worker taking it."""
    wait_p95_s: float | None = pydantic.Field(default=None, gt=0)
    """From a request to a worker taking it, over all requests."""


class Budget(Spec):
    """What an endpoint may cost, in US dollars a month of 730 hours."""

    usd_per_month: Decimal = pydantic.Field(gt=0)
