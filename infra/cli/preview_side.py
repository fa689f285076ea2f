"""One side of a preview: what a program declares, the plans of its endpoints, and what the rules say of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.catalog import load
from infra.cli import program
from infra.cli.check import judge_all
from infra.cli.check_views import Given, completed
from infra.planning.evaluate import evaluate
from infra.planning.request import PlanRequest
from infra.planning.search import NothingToPlace, search
from infra.report.events import Stream
from infra.report.facts import Declared, Judged, Planned, Resource
from infra.report.model import Book, Judgement, Met, Side
from infra.report.paths import decoded, secret_places
from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN, Finding, ResourceView
from policies.gate import today
from policies.settings import SettingsError


@dataclass
class Planner:
    """Plans of intents, each made once: base and head mostly say the same."""

    root: Path
    _made: dict[str, Side] = field(default_factory=dict)

    def side(self, intent: Mapping[str, Any]) -> Side:
        key = json.dumps(intent, sort_keys=True, default=repr)
        if key not in self._made:
            self._made[key] = self._side(intent)
        return self._made[key]

    def points(self, intent: Mapping[str, Any]) -> tuple[Any, ...]:
        """Everything that the endpoint could be, for the plot; nothing where its traffic is not known."""
        try:
            request = PlanRequest.from_intent({**intent, "cloud": "auto", "gpu": "auto", "workers": "auto"})
            if request.traffic is None or intent.get("gpu") is None:
                return ()
            catalog = load()
            return search(request, catalog, catalog.prices(), root=self.root).frontier
        except (NothingToPlace, PilotlightError):
            return ()

    def _side(self, intent: Mapping[str, Any]) -> Side:
        catalog = load()
        try:
            request = PlanRequest.from_intent(intent)
            plan = evaluate(request, catalog, catalog.prices(), root=self.root)
        except PilotlightError as error:
            return Side(None, why=error.what)
        return Side(plan, request.slo)


def declared(root: Path, stack: str) -> Declared:
    """What the program at `root` declares, without plans. A program that does not run is told in `why`, never raised."""
    try:
        found = program.run(root, stack)
    except PilotlightError as error:
        return Declared(why=str(error).replace("\n", " "))
    resources = [
        Resource(one.urn, one.type, one.name, one.custom, one.inputs, one.source)
        for one in found.declarations
    ]
    return Declared(resources, {}, found.warnings)


def as_engine_sees(head: Declared, stream: Stream | None) -> Declared:
    """The same with the inputs that providers have completed: sizes and digests that no program knows."""
    if stream is None or not stream.inputs:
        return head
    inputs = stream.inputs
    resources = [
        replace(
            one,
            inputs=decoded(inputs[one.urn]),
            secrets=frozenset(secret_places(inputs[one.urn])),
            complete=True,
        )
        if one.custom and one.urn in inputs
        else one
        for one in head.resources
    ]
    return replace(head, resources=resources)


def planned(side: Declared, planner: Planner, like: Mapping[str, Planned] | None = None) -> Declared:
    """With the plan of each endpoint. Sizes that are not known yet are taken from the endpoints of `like`."""
    endpoints = {}
    for one in side.resources:
        intent = one.inputs.get("intent")
        if isinstance(intent, Mapping) and isinstance(name := intent.get("endpoint"), str):
            endpoints[name] = _planned(intent, one.source, planner, (like or {}).get(name))
    return replace(side, endpoints=endpoints)


def deployed(stream: Stream | None, planner: Planner) -> dict[str, Planned]:
    """Endpoints as the state has them."""
    intents = [] if stream is None else list(stream.deployed.values())
    return {str(intent["endpoint"]): _planned(intent, None, planner, None) for intent in intents}


def judged(root: Path, project: str, stack: str, head: Declared) -> Judged:
    """All rules over all resources, with the stack's settings. Settings that are wrong block everything."""
    given = [_given(one, project, stack) for one in head.resources if one.custom]
    try:
        verdict = judge_all(root, project, stack, given, today())
    except SettingsError as error:
        return Judged((Judgement("settings", "error", error.what, error.fix),))
    judgements = tuple(
        Judgement(
            policy=finding.rule,
            level=finding.severity.value,
            message=finding.message,
            fix=finding.fix,
            path=finding.path,
            resource=one.name,
            type=one.type,
            urn=one.urn,
            source=one.source,
        )
        for one, finding in verdict.findings()
    )
    met = tuple(Met(one.urn, one.type, one.name, one.rules, one.source) for one in verdict.judged)
    return Judged(judgements, met, verdict.rules)


def _given(one: Resource, project: str, stack: str) -> Given:
    """What no provider has seen yet is completed and checked here as it would be there."""
    inputs, secrets = one.inputs, one.secrets
    invalid: tuple[Finding, ...] = ()
    if not one.complete and one.type.startswith("pilotlight-"):
        inputs, invalid, secrets = completed(one.type, inputs, secrets or frozenset())
    return Given(
        ResourceView(one.type, one.urn, one.name, stack, project, inputs, secrets), one.source, invalid
    )


def book() -> Book:
    """The price table that plans are made with."""
    now = today()
    prices = load().prices()
    return Book(prices.name, str(prices.as_of), prices.age_days(now))


def _planned(
    intent: Mapping[str, Any], source: tuple[str, int] | None, planner: Planner, like: Planned | None
) -> Planned:
    sizes, known = intent.get("sizes"), None if like is None else like.intent.get("sizes")
    if isinstance(sizes, Mapping) and isinstance(known, Mapping):
        intent = {
            **intent,
            "sizes": {
                key: known.get(key, value) if value is UNKNOWN else value for key, value in sizes.items()
            },
        }
    return Planned(intent, planner.side(intent), source)
