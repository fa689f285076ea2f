"""The report as JSON. Its form is `infra/report/schema.json`, and `SCHEMA` counts up when a reader would have to change."""

import json
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from importlib.resources import files
from typing import Any

from infra.report.digest import of_all
from infra.report.model import SCHEMA, Endpoint, Judgement, Report, Side, StackReport
from infra.report.wording import headline


def render(report: Report) -> str:
    """On one line: to indent what may be megabytes takes longer than all the rest."""
    return json.dumps(as_data(report), ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of what `as_data` returns."""
    found: dict[str, Any] = json.loads(
        files("infra.report").joinpath("schema.json").read_text(encoding="utf-8")
    )
    return found


def as_data(report: Report) -> dict[str, Any]:
    return {
        "version": SCHEMA,
        "project": report.project,
        "verdict": report.verdict.value,
        "head": report.head,
        "base": report.base,
        "digest": of_all(report),
        "stacks": [_stack(one) for one in report.stacks],
    }


def _stack(one: StackReport) -> dict[str, Any]:
    return {
        "stack": one.stack,
        "verdict": one.verdict.value,
        "headline": headline(one),
        "reason": one.reason,
        "basis": one.basis.value,
        "compared": one.compared,
        "digest": one.digest,
        "usdPerMonth": {"before": _plain(one.before), "after": _plain(one.after)},
        "endpoints": [_endpoint(endpoint) for endpoint in one.endpoints],
        "findings": [_finding(judgement) for judgement in one.judgements],
        "checked": {"proved": one.checked, "pairs": one.pairs},
        "changes": [_plain(change) for change in one.changes],
        "counts": one.counts(),
        "unchanged": one.unchanged,
        "diagnostics": [_plain(said) for said in one.diagnostics],
        "unknownEvents": dict(one.unknown_events),
        "brokenLines": one.broken_lines,
        "notes": list(one.notes),
        "priceBook": _plain(one.book),
        "versions": dict(one.versions),
        "seconds": round(one.seconds, 3),
    }


def _endpoint(one: Endpoint) -> dict[str, Any]:
    return {
        "name": one.name,
        "change": one.change,
        "before": _side(one.before),
        "after": _side(one.after),
        "deployed": _side(one.deployed),
        "source": _source(one.source),
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    plan = None if side.plan is None else _finite(side.plan.as_data())
    return {
        "plan": plan,
        "slo": None if side.slo is None else side.slo.model_dump(mode="json"),
        "why": side.why,
    }


def _finding(one: Judgement) -> dict[str, Any]:
    return {**_plain(one), "source": _source(one.source)}


def _source(source: tuple[str, int] | None) -> dict[str, Any] | None:
    return None if source is None else {"file": source[0], "line": source[1]}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.value if isinstance(value, Enum) else value


def _finite(value: Any) -> Any:
    """JSON has no infinity: a wait without end is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
