"""A resource as rules see it, with its plan: worked out once, when the first rule asks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN, ResourceView

if TYPE_CHECKING:  # a provider loads neither before a rule asks: most resources are judged without
    from infra.catalog import Catalog, PriceBook
    from infra.planning.plan import EndpointPlan
    from infra.planning.request import PlanRequest

PURPOSES = ("endpoint", "machine", "job", "pipeline")
"""What the intent of each component begins with."""


class NoPlan(Exception):
    """An endpoint says what it is for, and no plan can be made of it. `judge` reports it once, whichever rule asks."""

    def __init__(self, error: PilotlightError) -> None:
        super().__init__(error.what)
        self.error = error


class NotKnownYet(Exception):
    """A preview cannot know it. `judge` reports that the rule is proved at `up`."""


@dataclass
class Context:
    """What rules are judged with, in one run. `root`: the project, for traces; `today`: for what grows old."""

    today: date
    root: Path | None = None
    requests: dict[str, "PlanRequest"] = field(default_factory=dict)
    """By intent, its name aside, which no plan depends on: endpoints that are alike are planned once."""
    plans: dict[str, "EndpointPlan"] = field(default_factory=dict)

    @cached_property
    def catalog(self) -> "Catalog":
        from infra.catalog import load

        return load()

    @cached_property
    def book(self) -> "PriceBook":
        return self.catalog.prices()


class Subject:
    """One resource. `intent` is what a component says it is for; None for a raw resource."""

    def __init__(self, view: ResourceView, context: Context) -> None:
        self.view = view
        self.context = context

    @property
    def type(self) -> str:
        return self.view.type

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self.view.inputs

    @cached_property
    def intent(self) -> Mapping[str, Any] | None:
        found = self.inputs.get("intent")
        return found if isinstance(found, Mapping) else None

    @property
    def is_endpoint(self) -> bool:
        """Whether it carries the intent of a `ModelEndpoint`."""
        return self.intent is not None and "endpoint" in self.intent

    @cached_property
    def purpose(self) -> str | None:
        """Which component it is of, by its intent; None where no component says so."""
        return next((one for one in PURPOSES if self.intent_has(one)), None)

    def intent_has(self, field: str) -> bool:
        """Whether the intent says something of it, known or not."""
        return bool(self.intent) and self.intent.get(field) is not None  # type: ignore[union-attr]

    @cached_property
    def request(self) -> "PlanRequest":
        """What the plan is asked. Only of an endpoint. Raises `NoPlan`."""
        from infra.planning.request import PlanRequest

        assert self.intent is not None
        known = self.context.requests
        try:
            if self._key not in known:
                known[self._key] = PlanRequest.from_intent(self.intent)
        except PilotlightError as error:
            raise NoPlan(error) from error
        name = self.intent.get("endpoint")
        return replace(known[self._key], name=name) if isinstance(name, str) else known[self._key]

    @cached_property
    def plan(self) -> "EndpointPlan":
        """Only of an endpoint, and only where the resource is what its intent says. Raises `NoPlan`, `NotKnownYet`."""
        from infra.planning.evaluate import evaluate
        from policies.rules.claims import disagreement

        if self.open("cloud", "gpu", "gpu_count", "workers"):
            raise NotKnownYet
        try:
            said = disagreement(self, self.request)
            if said is not None:
                raise PilotlightError(said, fix="give the resource the intent that it is declared by")
            known, context = self.context.plans, self.context
            if self._key not in known:
                known[self._key] = evaluate(self.request, context.catalog, context.book, root=context.root)
        except PilotlightError as error:
            raise NoPlan(error) from error
        return replace(known[self._key], name=self.request.name)

    @cached_property
    def _key(self) -> str:
        """The same for intents that are planned the same."""
        intent = {key: value for key, value in (self.intent or {}).items() if key != "endpoint"}
        return json.dumps(intent, sort_keys=True, default=_marked)

    def open(self, *fields: str) -> bool:
        """Whether the plan had to leave out one of these fields, because a preview cannot know it yet."""
        request = self.request
        sizes = {"image_bytes": request.image_bytes, "weights_bytes": request.weights_bytes}
        unknown = {name for name, value in sizes.items() if value is UNKNOWN}
        unknown |= {path.partition(".")[0].partition("[")[0] for path in request.unknown}
        return bool(unknown & set(fields))


def _marked(value: Any) -> Any:
    """No text can be taken for what is unknown."""
    return {"unknown": True, "\0": 0} if value is UNKNOWN else [type(value).__name__, repr(value)]
