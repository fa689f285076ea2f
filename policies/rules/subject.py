"""A resource as rules see it, with its plan: worked out once, when the first rule asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.catalog import Catalog, PriceBook, load
from infra.planning import EndpointPlan, PlanRequest, evaluate
from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN, ResourceView


@dataclass
class Context:
    """What rules are judged with. `root`: the project, for traces; `today`: for what grows old."""

    today: date
    root: Path | None = None
    catalog: Catalog = field(default_factory=load)

    @cached_property
    def book(self) -> PriceBook:
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

    @property
    def intent(self) -> Mapping[str, Any] | None:
        found = self.inputs.get("intent")
        return found if isinstance(found, Mapping) else None

    @property
    def is_endpoint(self) -> bool:
        """Whether it carries the intent of a `ModelEndpoint`."""
        return self.intent is not None and "endpoint" in self.intent

    @cached_property
    def request(self) -> PlanRequest | None:
        """What the plan is asked; None for what is no endpoint, or whose intent makes no sense (see `unplanned`)."""
        return self._planned[0]

    @cached_property
    def plan(self) -> EndpointPlan | None:
        """None for what is no endpoint, or has no plan (see `unplanned`)."""
        return self._planned[1]

    @cached_property
    def unplanned(self) -> PilotlightError | None:
        """Why an endpoint has no plan."""
        return self._planned[2]

    def deferred(self, *fields: str) -> bool:
        """Whether the plan had to leave out one of these fields of the intent, because a preview cannot know it."""
        request = self.request
        if request is None:
            return self.inputs.get("intent") is UNKNOWN
        sizes = {"image_bytes": request.image_bytes, "weights_bytes": request.weights_bytes}
        unknown = {name for name, value in sizes.items() if value is UNKNOWN}
        unknown |= {path.partition(".")[0].partition("[")[0] for path in request.unknown}
        return bool(unknown & set(fields))

    @cached_property
    def _planned(self) -> tuple[PlanRequest | None, EndpointPlan | None, PilotlightError | None]:
        if not self.is_endpoint or self.intent is None:
            return None, None, None
        request = None
        try:
            request = PlanRequest.from_intent(self.intent)
            plan = evaluate(request, self.context.catalog, self.context.book, root=self.context.root)
        except PilotlightError as error:
            return request, None, error
        return request, plan, None
