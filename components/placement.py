"""Fills what a declaration leaves open: from the stack's placement file, else by the plan, which is then told."""

from functools import cache
from pathlib import Path

import pulumi

from infra.catalog import load
from infra.kit.local import seek_root
from infra.planning.recorded import Placements, Recorded, file_of, leaves_open, read
from infra.planning.request import PlanRequest
from infra.planning.search import search
from infra.spec.declarations import EndpointSpec, SpecError
from infra.spec.parsing import Problem


def placed(name: str, spec: EndpointSpec) -> EndpointSpec:
    """A declaration that leaves nothing open. Raises `SpecError` when no place meets what it asks for."""
    if not leaves_open(spec):
        return spec
    stack = pulumi.get_stack()
    recorded = _recorded(stack).endpoints.get(name)
    if recorded is not None:
        return recorded.fill(spec)
    decided = _decide(name, spec)
    pulumi.log.warn(
        f"endpoint {name!r} is placed on {_words(decided)} by this run alone. Record it, to be reviewed: "
        f"`pilotlight plan -s {stack} --write`"
    )
    return decided.fill(spec)


def _decide(name: str, spec: EndpointSpec) -> Recorded:
    catalog = load()
    book = catalog.prices()
    placement = search(PlanRequest.from_spec(spec, name=name), catalog, book, root=seek_root())
    chosen = placement.chosen
    if chosen is None:
        best = placement.best_effort
        nearest = f" The nearest is {best.cloud} {best.gpu}: {'; '.join(best.breaches)}." if best else ""
        why = "; ".join(f"{refused.candidate}: {refused.reason}" for refused in placement.refused[:3])
        raise SpecError(
            f"endpoint {name!r}",
            [
                Problem(
                    "slo",
                    f"no cloud can meet it ({why}).{nearest} Fix: `pilotlight plan` shows all candidates",
                )
            ],
        )
    return Recorded.of(chosen, placement.reasons, decided=book.as_of)


def _words(recorded: Recorded) -> str:
    gpu = " or ".join(recorded.gpu or ["CPUs"])
    cost = f", about ${recorded.usd_per_month:,.0f} a month" if recorded.usd_per_month is not None else ""
    return f"{recorded.cloud.value}, {gpu}, {recorded.workers.min} to {recorded.workers.max} workers{cost}"


def _recorded(stack: str) -> Placements:
    root = seek_root()
    file = None if root is None else file_of(root, stack)
    if file is None or not file.is_file():
        return Placements({})
    return _read(file, file.stat().st_mtime_ns)


@cache
def _read(file: Path, written_ns: int) -> Placements:
    """Once for all endpoints of a program."""
    return read(file.read_text(encoding="utf-8"), f"stacks/{file.name}")
