"""How many workers an endpoint has, and when the platform adds or removes one."""

from enum import Enum
from typing import Self

import pydantic

from infra.spec.base import Spec


class Workers(Spec):
    """The bounds of an endpoint's workers."""

    min: int = pydantic.Field(default=0, ge=0)
    """Workers always on, billed around the clock."""
    max: int = pydantic.Field(default=3, ge=1)
    """The most workers at once: the ceiling of the bill."""
    buffer: int = pydantic.Field(default=0, ge=0)
    """Spare workers kept warm while the endpoint is busy (Modal only)."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(
                f"max is {self.max}, below min {self.min}. Wanted: max >= min. Fix: raise max or lower min"
            )
        return self


class ScalerType(Enum):
    """The rule that adds workers."""

    QUEUE_DELAY = "queue_delay"
    REQUEST_COUNT = "request_count"


class Scaler(Spec):
    """When to add a worker: after a request has waited `value` seconds, or one for every `value` requests."""

    type: ScalerType = ScalerType.QUEUE_DELAY
    value: float = pydantic.Field(default=4, gt=0)

    @pydantic.model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.type is ScalerType.QUEUE_DELAY and self.value < 0.5:
            raise ValueError(f"value is {self.value} s. Wanted: a queue delay of at least 0.5 s")
        if self.type is ScalerType.REQUEST_COUNT and (self.value < 1 or self.value != int(self.value)):
            raise ValueError(
                f"value is {self.value}. Wanted: a whole number of requests per worker, at least 1"
            )
        return self

    @classmethod
    def queue_delay(cls, seconds: float) -> Self:
        return cls(type=ScalerType.QUEUE_DELAY, value=seconds)

    @classmethod
    def request_count(cls, requests: int) -> Self:
        return cls(type=ScalerType.REQUEST_COUNT, value=requests)
