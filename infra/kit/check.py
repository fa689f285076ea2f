"""Check: raw inputs in, all failures at once or the normalised inputs out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from infra.kit.context import CheckContext
from infra.kit.mark import HIDDEN, Entry, short
from infra.kit.model import Model, specs
from infra.kit.problems import NO_PROPERTY, explain
from infra.kit.resource import Failure, Resource
from infra.kit.session import Session
from infra.kit.wire import (
    Path,
    Tree,
    has_unknown,
    plain,
    schema_secret_paths,
    secret_paths,
    to_wire,
    wrap,
)
from infra.spec.findings import UNKNOWN, Finding, Gate, ResourceView, Severity, Unknown


@dataclass(frozen=True)
class Naming:
    """What the engine proposes for a name: `proposal` may be "", `mode` is propose, enforce or disable."""

    proposal: str = ""
    mode: str = "propose"


@dataclass
class Checked:
    inputs: Tree = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)


def validate(model: type[Model], tree: Tree, secrets: list[Path]) -> tuple[Model | None, list[Failure]]:
    """The model of a plain tree and every failure. With failures the model has `UNKNOWN` where they are."""
    failures: list[Failure] = []
    for _ in range(8):
        try:
            return model.model_validate(tree), failures
        except ValidationError as error:
            for path, failure in explain(model, error, tree, secrets):
                failures.append(failure)
                tree = _blank(tree, path, remove=failure.reason.startswith(NO_PROPERTY))
    return None, failures


async def check(
    resource: Resource[Any, Any, Any],
    ctx: CheckContext,
    session: Session,
    news: Tree,
    olds: Mapping[str, Any],
    *,
    seed: bytes = b"",
    naming: Naming | None = None,
    gate: Gate | None = None,
) -> Checked:
    model = resource.Inputs
    news = {key: value for key, value in news.items() if not key.startswith("__")}
    tree = plain(news)
    secrets = list(secret_paths(news))
    ctx.secrets = tuple(secrets)
    failures = _set_but_computed(model, tree)
    inputs, found = validate(model, tree, [*secrets, *schema_secret_paths(model, tree)])
    failures += found
    if inputs is None:
        return Checked(failures=failures)

    if not failures:
        await _compute(resource, ctx, inputs)
    entry = _entry(session, ctx.urn, model, to_wire(inputs), olds, seed)
    failures += _name(session, ctx, inputs, entry, olds, naming or Naming())
    failures += resource.check(ctx, inputs)
    checked = Checked(to_wire(inputs), failures, _deprecated(model, tree))
    hidden = {*secrets, *schema_secret_paths(model, checked.inputs)}
    if gate is not None and not failures:
        _gate(gate, ctx, checked, frozenset(hidden))
    if checked.failures:
        return checked

    checked.inputs = wrap(checked.inputs, hidden)
    checked.inputs[HIDDEN] = UNKNOWN if isinstance(entry, Unknown) else str(entry)
    return checked


def _entry(
    session: Session, urn: str, model: type[Model], inputs: Tree, olds: Mapping[str, Any], seed: bytes
) -> Entry | Unknown:
    """An object keeps its mark for life; only a new one gets one."""
    return Entry.of(olds) or session.choose(urn, model, inputs, seed)


def _set_but_computed(model: type[Model], tree: Tree) -> list[Failure]:
    failures = []
    for spec in specs(model):
        if spec.meta.computed and tree.pop(spec.wire, None) is not None:
            failures.append(
                Failure(spec.wire, f"{spec.wire} is computed. Wanted: not set. Fix: remove {spec.wire}")
            )
    return failures


def _deprecated(model: type[Model], tree: Tree) -> list[str]:
    return [
        f"{spec.wire} is deprecated: {spec.meta.deprecated}"
        for spec in specs(model)
        if spec.meta.deprecated and tree.get(spec.wire) is not None
    ]


def _name(
    session: Session,
    ctx: CheckContext,
    inputs: Model,
    entry: Entry | Unknown,
    olds: Mapping[str, Any],
    naming: Naming,
) -> list[Failure]:
    """Names that the user left open: kept from before, else the engine's proposal, else one that follows the mark.

    Following the mark makes it the same name when a killed creation is repeated.
    """
    failures = []
    for spec in specs(type(inputs)):
        if not spec.meta.auto_name or getattr(inputs, spec.name) is not None:
            continue
        kept = olds.get(spec.wire)
        line = session.line(ctx.urn, entry)
        if isinstance(kept, str):
            name: Any = kept
        elif naming.mode == "disable":
            reason = f"not set, and automatic names are turned off for this stack. Fix: set {spec.wire}"
            failures.append(Failure(spec.wire, reason))
            continue
        elif naming.mode == "enforce" and naming.proposal:
            name = naming.proposal
        elif line is not None and spec.wire in line.names:
            name = line.names[spec.wire]
        elif naming.proposal:
            name = naming.proposal
        elif isinstance(entry, Unknown):
            name = UNKNOWN
        else:
            name = f"{ctx.name}-{short(str(entry.mark).encode(), 7)}"
        setattr(inputs, spec.name, name)
    return failures


async def _compute(resource: Resource[Any, Any, Any], ctx: CheckContext, inputs: Model) -> None:
    if type(resource).computed is Resource.computed:
        return
    if resource.reads_disk:  # hashing a directory takes a while; other Checks go on meanwhile
        values = await asyncio.to_thread(resource.computed, ctx, inputs)
    else:
        values = resource.computed(ctx, inputs)
    for name, value in values.items():
        setattr(inputs, name, value)


def _gate(gate: Gate, ctx: CheckContext, checked: Checked, hidden: frozenset[Path]) -> None:
    view = ResourceView(ctx.type, ctx.urn, ctx.name, ctx.stack, ctx.project, checked.inputs, hidden)
    for finding in gate(view):
        text = _finding(finding)
        if finding.severity is Severity.WARNING:
            checked.warnings.append(text)
        elif finding.severity is Severity.DEFERRED and has_unknown(checked.inputs):
            checked.deferred.append(text)
        else:
            checked.failures.append(Failure(finding.path, text))


def _finding(finding: Finding) -> str:
    fix = f" Fix: {finding.fix}" if finding.fix else ""
    return f"{finding.message}{fix} [{finding.rule}]"


def _blank(tree: Any, path: Path, *, remove: bool) -> Any:
    """The tree with `UNKNOWN` at a place (which may be missing yet), or without that place."""
    if not path:
        return tree
    head, rest = path[0], path[1:]
    if isinstance(tree, dict) and isinstance(head, str):
        if not rest:
            without = {key: value for key, value in tree.items() if key != head}
            return without if remove else {**without, head: UNKNOWN}
        return {**tree, head: _blank(tree.get(head, {}), rest, remove=remove)}
    if isinstance(tree, list) and isinstance(head, int) and head < len(tree):
        return [
            (_blank(item, rest, remove=remove) if rest else UNKNOWN) if index == head else item
            for index, item in enumerate(tree)
        ]
    return tree
