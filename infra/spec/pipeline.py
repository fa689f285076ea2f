"""Several functions, each on a machine of its own, behind one entry that calls them in order."""

from typing import Self

import pydantic

from infra.spec.base import Cloud, Spec
from infra.spec.endpoint import Auth
from infra.spec.machine import Machine
from infra.spec.scaling import Workers

ENTRY = "Model"
"""The class that takes requests. No step may have its name."""


class Step(Machine):
    """One step. It takes what the step before returned."""

    name: str | None = None
    """What the cloud calls it; the function's own name when unset."""
    workers: Workers = Workers()
    idle_timeout_s: int = pydantic.Field(default=60, ge=2, le=3600)

    @property
    def called(self) -> str:
        return self.name or self.function


class PipelineSpec(Spec):
    """Steps in order. The handler class of the image's code takes the request and calls them."""

    cloud: Cloud = Cloud.MODAL
    steps: list[Step] = pydantic.Field(min_length=1)
    workers: Workers = Workers()
    """Of the entry, which only waits: `concurrency` requests share one."""
    concurrency: int = pydantic.Field(default=16, ge=1)
    idle_timeout_s: int = pydantic.Field(default=60, ge=2, le=3600)
    timeout_s: int | None = pydantic.Field(default=None, ge=1, le=86_400)
    """The longest a request may take; when unset, as long as all steps may, and a minute for the start of each."""
    auth: Auth = Auth.CLOUD
    tags: dict[str, str] = {}

    @pydantic.field_validator("steps")
    @classmethod
    def _told_apart(cls, steps: list[Step]) -> list[Step]:
        names = [step.called for step in steps]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} given twice. Wanted: a name of its own for each step")
        wrong = [name for name in names if name == ENTRY or not name.isidentifier()]
        if wrong:
            raise ValueError(
                f"found {wrong[0]!r}. Wanted: a name such as embed, and not {ENTRY}, the entry's"
            )
        return steps

    @pydantic.model_validator(mode="after")
    def _time_for_the_slowest(self) -> Self:
        slowest = max(step.timeout_s for step in self.steps)
        if self.timeout_s is not None and self.timeout_s < slowest:
            raise ValueError(
                f"timeout_s is {self.timeout_s}, and one step alone may take {slowest} s. Wanted: at least that"
            )
        return self

    @property
    def longest_s(self) -> int:
        """Seconds that one request may take, within what the cloud allows."""
        return self.timeout_s or min(86_400, sum(step.longest_s + 60 for step in self.steps))
