"""`pilotlight plan`: what each endpoint of a stack will cost and how it will answer, and where it would be cheaper."""

import argparse
import datetime
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError
from infra.spec.nearest import nearest

if TYPE_CHECKING:
    from infra.planning.plan import EndpointPlan, Placement
    from infra.planning.request import PlanRequest

VERSION = 1
_OPEN: dict[str, Any] = {"cloud": "auto", "gpu": "auto", "workers": "auto"}


class PlanError(PilotlightError):
    """Nothing can be planned."""


@dataclass(frozen=True)
class Planned:
    """One endpoint: its plan as declared, and the search over everything that it could be. `placed`: the fields that the
    program leaves open; `own` is the search over those alone."""

    request: "PlanRequest"
    plan: "EndpointPlan"
    placement: "Placement | None"
    placed: tuple[str, ...]
    own: "Placement | None"
    source: tuple[str, int] | None


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "plan",
        help="predict cost and cold starts of a stack, and what would be cheaper",
        epilog="Exit codes: 0 all endpoints hold what they promise, 3 one misses its SLO or budget, 1 an error, 2 usage.",
    )
    parser.add_argument("names", nargs="*", metavar="ENDPOINT", help="only these (default: all of the stack)")
    parser.add_argument("-s", "--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument(
        "--trace", metavar="FILE", help="plan for the requests of a CSV, JSONL or Parquet file"
    )
    parser.add_argument("--plot", metavar="FILE", help="write cost against waiting time as an HTML page")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--write", action="store_true", help="record where the open endpoints are placed, to be reviewed"
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=0.1,
        help="a recorded placement that still holds is kept unless another saves more than this share (default: 0.1)",
    )


def run(args: argparse.Namespace) -> int:
    from infra.cli import plan_text, program
    from infra.kit.local import find_root

    root = find_root()
    planned = plan_all(root, program.run(root, args.stack), args.names, args.trace)
    if args.write:
        for line in _write(root, args.stack, planned, args.margin):
            print(line, file=sys.stderr)
    if args.plot:
        from infra.report.plot import page

        Path(args.plot).write_text(page(f"Plan of stack {args.stack}", _plots(planned)), encoding="utf-8")
    if args.json:
        print(json.dumps(as_data(args.stack, planned), indent=2))
    else:
        print("\n\n".join(plan_text.endpoint(one) for one in planned))
        print(plan_text.total(planned))
    return 3 if any(one.plan.breaches for one in planned) else 0


def plan_all(root: Path, program: Any, names: list[str], trace: str | None = None) -> list[Planned]:
    """A plan for each endpoint that the program declares. Raises `PlanError` for an unknown name or none at all."""
    from infra.catalog import load
    from infra.planning.evaluate import FULL_REQUESTS, evaluate
    from infra.planning.request import PlanRequest
    from infra.planning.search import search
    from infra.spec.expectations import Traffic

    catalog = load()
    book = catalog.prices()
    declared = {
        intent["endpoint"]: (intent, declaration.source)
        for declaration in program.declarations
        if isinstance(intent := declaration.inputs.get("intent"), Mapping) and "endpoint" in intent
    }
    _known(names, list(declared), program.stack)
    planned = []
    for name in names or declared:
        intent, source = declared[name]
        request = PlanRequest.from_intent(intent)
        if trace is not None:
            request = replace(request, traffic=Traffic(trace=str(Path(trace).resolve())))
        plan = evaluate(request, catalog, book, root=root, effort=FULL_REQUESTS)
        placed = tuple(intent.get("placed") or ())
        placement = own = None
        if request.traffic is not None and request.gpu is not None and plan.waits is not None:
            placement = search(replace(request, **_OPEN), catalog, book, root=root)
            left: dict[str, Any] = {name: "auto" for name in _OPEN if name in placed}
            own = placement if left == _OPEN else search(replace(request, **left), catalog, book, root=root)
        planned.append(Planned(request, plan, placement, placed, own, source))
    return planned


def as_data(stack: str, planned: list[Planned]) -> dict[str, Any]:
    """The machine form, by a version of its own."""
    return {
        "version": VERSION,
        "stack": stack,
        "endpoints": [
            {
                "name": one.request.name,
                "plan": one.plan.as_data(),
                "placed": list(one.placed),
                "search": None if one.placement is None else one.placement.as_data(),
            }
            for one in planned
        ],
        "usdPerMonth": {key: str(value) for key, value in totals(planned).items()},
    }


def totals(planned: list[Planned]) -> dict[str, Decimal]:
    """Of all endpoints: floor, pessimistic end and ceiling, and the expectation where all have one."""
    costs = [one.plan.cost for one in planned]
    found = {
        "floor": sum((cost.floor for cost in costs), Decimal(0)),
        "pessimistic": sum((cost.pessimistic for cost in costs), Decimal(0)),
        "ceiling": sum((cost.ceiling for cost in costs), Decimal(0)),
    }
    if all(cost.expected is not None for cost in costs):
        found["expected"] = sum((cost.expected or Decimal(0) for cost in costs), Decimal(0))
    return found


def _known(names: list[str], declared: list[str], stack: str) -> None:
    if not declared:
        raise PlanError(
            f"stack {stack!r} declares no endpoint",
            wanted="a ModelEndpoint in the program",
            fix="declare one",
        )
    for name in names:
        if name not in declared:
            close = nearest(name, declared)
            fix = f"did you mean {close[0]}?" if close else ""
            raise PlanError(
                f"stack {stack!r} has no endpoint {name!r}", wanted=f"one of: {', '.join(declared)}", fix=fix
            )


def _write(root: Path, stack: str, planned: list[Planned], margin: float) -> list[str]:
    """Record the placements of open endpoints; what was recorded for others, and what is gone, is taken out."""
    from infra.planning.recorded import Placements, Recorded, file_of, read, write

    path = file_of(root, stack)
    name = path.relative_to(root)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before = read(text, str(name)).endpoints if text else {}
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    after: dict[str, Recorded] = {}
    said = []
    for one in planned:
        if not one.placed:
            continue
        kept = before.get(one.request.name)
        chosen = None if one.own is None else one.own.chosen
        if kept is not None and (chosen is None or _still_good(one, chosen, margin)):
            after[one.request.name] = kept
            said.append(f"{one.request.name}: kept as recorded on {kept.decided}")
        elif chosen is not None and one.own is not None:
            after[one.request.name] = Recorded.of(chosen, one.own.reasons, today)
            said.append(
                f"{one.request.name}: {'moved to' if kept else 'placed on'} {chosen.cloud} {chosen.gpu}"
            )
        else:
            said.append(f"{one.request.name}: nothing holds what it asks for, so nothing is recorded")
    if not after and not text:
        return [*said, "no endpoint leaves its place open: there is nothing to record"]
    path.write_text(write(Placements(after), stack), encoding="utf-8")
    return [*said, f"wrote {name}"]


def _still_good(one: Planned, chosen: "EndpointPlan", margin: float) -> bool:
    """Whether what is recorded holds, and the best saves too little to move."""
    if one.plan.breaches or one.plan.cost.expected is None or chosen.cost.expected is None:
        return not one.plan.breaches
    return chosen.cost.expected >= one.plan.cost.expected * (1 - Decimal(str(margin)))


def _plots(planned: list[Planned]) -> list[Any]:
    from infra.report.plot import Plot

    return [
        Plot(
            one.request.name, one.placement.frontier, one.request.slo.wait_p95_s if one.request.slo else None
        )
        for one in planned
        if one.placement is not None
    ]
