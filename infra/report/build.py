"""Puts a stack's report together from what the engine, the plans of both sides and the rules said. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.report.digest import of_changes
from infra.report.events import Stream
from infra.report.facts import Declared, Facts, Planned, Resource
from infra.report.model import (
    Basis,
    Change,
    Diagnostic,
    Diff,
    Endpoint,
    Judgement,
    Money,
    Side,
    StackReport,
    Verdict,
)
from infra.report.paths import leaves, shown
from infra.spec.findings import UNKNOWN

_RULE = re.compile(r"\[([a-z0-9-]+)\]\s*$")
_REFUSED = re.compile(r"has a problem: (?P<message>.*?)(?: Fix: (?P<fix>.*?))? \[(?P<rule>[a-z0-9-]+)\]$")
_GENERIC = re.compile(r"^(?:preview|update) failed$")
_FAILED = "the engine gave up"
_BROKE_OFF = "the engine broke off before its end"


def stack_report(facts: Facts) -> StackReport:
    """The report, with nothing redacted yet."""
    stream = facts.stream
    judgements = tuple(_judgements(facts))
    verdict, reason = _verdict(facts, judgements)
    before, source = _before(facts)
    endpoints = tuple(_endpoints(before, facts))
    if stream is not None:
        changes, compared = tuple(stream.changes), True
    elif facts.fresh and not facts.head.why:
        changes, compared = tuple(declared_changes((), facts.head.resources)), True
    else:
        compared = facts.base is not None and not facts.base.why
        changes = (
            tuple(declared_changes(facts.base.resources, facts.head.resources))
            if facts.base and compared
            else ()
        )
    deferred = len({(one.urn, one.policy) for one in judgements if one.level == "deferred"})
    return StackReport(
        project=facts.project,
        stack=facts.stack,
        verdict=verdict,
        basis=Basis.DECLARATIONS if stream is None else Basis.ENGINE,
        head=facts.head_commit,
        base=facts.base_commit,
        reason=reason,
        endpoints=endpoints,
        before=total(one.side for one in before.values()) if before or source else None,
        after=None if facts.head.why else total(one.side for one in facts.head.endpoints.values()),
        judgements=judgements,
        checked=max(0, facts.judged.pairs - deferred),
        pairs=facts.judged.pairs,
        met=tuple(facts.judged.met),
        rules=facts.judged.rules,
        changes=changes,
        compared=compared,
        unchanged=0 if stream is None else stream.counts.get("same", 0),
        diagnostics=tuple(_diagnostics(facts, judgements)),
        unknown_events={} if stream is None else stream.unknown,
        broken_lines=0 if stream is None else stream.broken,
        notes=tuple(_notes(facts, source)),
        book=facts.book,
        digest=_digest(facts, f"{verdict.value} {reason}", changes, judgements),
        versions=facts.versions,
        seconds=facts.seconds,
    )


def declared_changes(base: Sequence[Resource], head: Sequence[Resource]) -> Iterable[Change]:
    """What differs between two programs: a preview without a state. Whether an update replaces, only the engine knows."""
    before = {one.urn: one for one in base}
    after = {one.urn: one for one in head}
    for urn, one in after.items():
        old = before.get(urn)
        if old is None:
            yield Change("create", urn, one.type, one.name, (), one.custom)
        elif diffs := tuple(_diffs(old.inputs, one.inputs)):
            yield Change("update", urn, one.type, one.name, diffs, one.custom)
    for urn, one in before.items():
        if urn not in after:
            yield Change("delete", urn, one.type, one.name, (), one.custom)


def total(sides: Iterable[Side]) -> Money:
    """Of all endpoints together. One that has no plan makes the expectation unknown."""
    floor = ceiling = expected = Decimal(0)
    known = True
    for side in sides:
        if side.plan is None:
            known = False
            continue
        cost = side.plan.cost
        floor, ceiling = floor + cost.floor, ceiling + cost.ceiling
        known = known and cost.expected is not None
        expected += cost.expected or Decimal(0)
    return Money(floor, expected if known else None, ceiling)


def _before(facts: Facts) -> tuple[Mapping[str, Planned], str]:
    """(endpoints as they were, where that was told from): the base where there is one, else the state."""
    if facts.base is not None and not facts.base.why:
        return facts.base.endpoints, "base"
    if facts.stream is not None and facts.stream.events:
        return facts.deployed, "state"
    return {}, ""


def _endpoints(before: Mapping[str, Planned], facts: Facts) -> Iterable[Endpoint]:
    after = facts.head.endpoints
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            change = "new"
        elif new is None:
            change = "removed" if not facts.head.why else "unknown"
        else:
            change = "changed" if _differs(old.intent, new.intent) else "same"
        live = facts.deployed.get(name)
        drifted = live is not None and old is not None and _differs(live.intent, old.intent)
        yield Endpoint(
            name=name,
            change=change,
            before=None if old is None else old.side,
            after=None if new is None else new.side,
            deployed=live.side if live is not None and drifted else None,
            points=tuple(facts.points.get(name, ())),
            source=None if new is None else new.source,
        )


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two intents do, in what both of them know: a state knows sizes and addresses that a preview does not."""
    return any(
        path.partition(".")[0] not in ("sizes", "placed") and UNKNOWN not in (before, after)
        for path, before, after in leaves(one, other)
    )


def _judgements(facts: Facts) -> Iterable[Judgement]:
    """Of the rules, then what only the engine found: its providers see more than a program declares."""
    refused = {(one.urn, one.policy): one for one in _refusals(facts.stream, facts.head)}
    ours = []
    for one in facts.judged.judgements:
        if one.level == "error":
            refused.pop((one.urn, one.policy), None)
        if (one.urn, one.policy) not in refused:
            ours.append(one)
    ours += refused.values()
    yield from ours
    yield from _violations(facts.stream, facts.head, {(one.urn, one.policy, one.level) for one in ours})


def _refusals(stream: Stream | None, head: Declared) -> Iterable[Judgement]:
    """What a provider's gate refused in Check, told back from the engine's words for it."""
    known = {one.urn: one for one in head.resources}
    for said in stream.diagnostics if stream is not None else ():
        found = (
            _REFUSED.search(" ".join(said.message.split())) if said.severity == "error" and said.urn else None
        )
        if found is None:
            continue
        one = known.get(said.urn)
        yield Judgement(
            policy=found["rule"],
            level="error",
            message=found["message"],
            fix=found["fix"] or "",
            resource=said.urn.rpartition("::")[2],
            type="" if one is None else one.type,
            urn=said.urn,
            source=None if one is None else one.source,
        )


def _violations(
    stream: Stream | None, head: Declared, told: set[tuple[str, str, str]]
) -> Iterable[Judgement]:
    if stream is None:
        return
    sources = {one.urn: one.source for one in head.resources}
    for one in stream.violations:
        if (one.urn, one.policy, one.level) in told:  # the project's own pack says what its rules say
            continue
        yield Judgement(
            policy=one.policy,
            level=one.level,
            message=one.message,
            resource=one.urn.rpartition("::")[2],
            type=one.urn.split("::")[2].rpartition("$")[2] if one.urn.count("::") >= 3 else "",
            urn=one.urn,
            source=sources.get(one.urn),
            pack=one.pack,
        )


def _verdict(facts: Facts, judgements: Sequence[Judgement]) -> tuple[Verdict, str]:
    stream = facts.stream
    if facts.head.why:
        return Verdict.FAILED, facts.head.why
    if stream is not None and not stream.ended:
        said = next(
            (one.message for one in (*facts.said, *stream.diagnostics) if one.severity == "error"), ""
        )
        return Verdict.FAILED, said or _BROKE_OFF
    blocked = any(one.level == "error" for one in judgements)
    if blocked:
        return Verdict.BLOCKED, "" if stream is not None else facts.no_engine
    if stream is not None and not stream.succeeded:
        errors = [one.message for one in stream.diagnostics if one.severity == "error"]
        return Verdict.FAILED, next((one for one in errors if not _GENERIC.match(one)), _FAILED)
    return Verdict.OK, "" if stream is not None else facts.no_engine


def _diagnostics(facts: Facts, judgements: Sequence[Judgement]) -> Iterable[Diagnostic]:
    """What was said, without what the report says better elsewhere: findings, and that it failed."""
    told = {(one.urn, one.policy) for one in judgements} | {("", one.policy) for one in judgements}
    for warning in facts.head.warnings if facts.stream is None else ():
        yield Diagnostic("warning", warning)
    for one in (*facts.said, *(facts.stream.diagnostics if facts.stream is not None else ())):
        rule = _RULE.search(one.message)
        if (rule and (one.urn, rule.group(1)) in told) or _GENERIC.match(one.message):
            continue
        yield one


def _notes(facts: Facts, source: str) -> Iterable[str]:
    stream = facts.stream
    if facts.base is not None and facts.base.why:
        yield f"the base does not run, so costs are compared with what is deployed, if anything: {facts.base.why}"
    if source == "state":
        yield "before = what the state of the stack has"
    if stream is not None and not stream.succeeded:
        yield "the engine stopped before the end of the program, so there may be more changes than are listed"
    if stream is not None and stream.unknown:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(stream.unknown.items()))
        yield f"events of the engine that this version does not know: {kinds}"
    if stream is not None and stream.broken:
        yield f"{stream.broken} lines of the engine could not be read"
    yield from facts.notes


def _diffs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Diff]:
    for path, before, after in leaves(old, new):
        kind = "add" if before is None else "delete" if after is None else "update"
        yield Diff(path, kind, shown(path, before), shown(path, after))


def _digest(facts: Facts, verdict: str, changes: Sequence[Change], judgements: Sequence[Judgement]) -> str:
    """How far an engine came that stopped early is chance: then only what was declared and what was refused counts."""
    stream = facts.stream
    if stream is not None and not (stream.ended and stream.succeeded):
        errors = [one for one in judgements if one.level == "error"]
        return of_changes(verdict, (), facts.declared, {}, errors, {})
    touched = {one.urn for one in changes}
    return of_changes(
        verdict,
        changes,
        {urn: inputs for urn, inputs in facts.declared.items() if urn in touched},
        {} if stream is None else stream.contents,
        judgements,
        {name: _digestible(one.side) for name, one in facts.head.endpoints.items()},
    )


def _digestible(side: Side) -> Any:
    plan = side.plan
    if plan is None:
        return side.why
    return [str(plan.cost.floor), str(plan.cost.expected), str(plan.cost.ceiling), plan.cold_start_worst.p95]
