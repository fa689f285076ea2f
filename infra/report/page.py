"""The report as one HTML page with nothing from elsewhere and no script: it may be kept, mailed and opened anywhere. Pure."""

import html
import math
from collections.abc import Iterable, Iterator, Sequence

from infra.report import plot
from infra.report.model import Endpoint, Report, Side, StackReport
from infra.report.safe import clean
from infra.report.wording import (
    COLUMNS,
    OPS,
    assumptions,
    based_on,
    change_lines,
    checked,
    found,
    headline,
    icon,
    row,
    seconds,
    summary,
    where,
)

_STYLE = """
table { border-collapse: collapse; width: 100%; font-size: 14px; } th, td { border-bottom: 1px solid var(--line); padding: .35rem .5rem;
text-align: left; vertical-align: top; } th { color: var(--soft); font-weight: 500; } pre { overflow: auto; border: 1px solid var(--line);
padding: .7rem; font-size: 13px; } .create { color: var(--good); } .delete, .replace, .error { color: var(--bad); } code { font-size: .95em; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.15rem; } h3 { font-size: 1rem; margin-bottom: .3rem; } footer { color: var(--soft); font-size: 13px; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render(report: Report) -> str:
    """The page's whole text."""
    title = _said(f"{report.project}: preview")
    body = "\n".join(_stack(one) for one in report.stacks) or "<p>No stack is touched by this change.</p>"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<title>{title}</title>\n'
        f"<style>{plot.STYLE}{_STYLE}</style>\n<h1>{title}</h1>\n{_contents(report)}{body}\n</html>\n"
    )


def _contents(report: Report) -> str:
    if len(report.stacks) < 2:
        return ""
    rows = [
        (f'<a href="#{_said(one.stack)}">{_said(one.stack)}</a>', _said(headline(one)))
        for one in report.stacks
    ]
    return _table(("stack", "verdict"), rows)


def _stack(report: StackReport) -> str:
    return "\n".join([f'<section id="{_said(report.stack)}">', *_sections(report), "</section>"])


def _sections(report: StackReport) -> Iterator[str]:
    yield f"<h2>{icon(report.verdict)} {_said(headline(report))}</h2>"
    if report.reason:
        yield f"<p>{_said(report.reason)}</p>"
    if report.endpoints:
        yield _table(COLUMNS, [tuple(map(_said, row(one))) for one in report.endpoints])
    yield f"<h3>Policies</h3><p>{found(report)}; {checked(report)}</p>"
    if report.judgements:
        rows = [
            (
                f'<span class="{_said(one.level)}">{_said(one.level)}</span>',
                f"<code>{_said(one.policy)}</code>",
                _said(one.resource or "the stack"),
                _said(one.message),
                _said(one.fix),
                f"<code>{_said(where(one))}</code>",
            )
            for one in report.judgements
        ]
        yield _table(("level", "policy", "resource", "message", "fix", "declared at"), rows)
    if report.diagnostics:
        told = [
            (_said(one.severity), _said(one.urn.rpartition("::")[2]), _said(one.message))
            for one in report.diagnostics
        ]
        yield "<h3>What the engine and the program said</h3>" + _table(
            ("severity", "resource", "message"), told
        )
    for endpoint in report.endpoints:
        yield _plot(endpoint)
    yield f"<h3>Changes: {summary(report)}</h3><p>By {based_on(report)}.</p>"
    if report.changes:
        yield f"<pre>{''.join(_changes(report))}</pre>"
    yield "<h3>Cost assumptions</h3><ul>"
    yield "\n".join(
        f"<li>{_said(f'{name}: {text}' if name else text)}</li>" for name, text in assumptions(report)
    )
    yield "</ul>"
    phases = list(_phases(report))
    if phases:
        yield "<h3>Cold-start breakdown</h3>" + _table(("endpoint", "phase", "p50", "p95", "because"), phases)
    yield f"<footer>{'<br>'.join(_foot(report))}</footer>"


def _plot(endpoint: Endpoint) -> str:
    marks = [
        mark
        for label, side in (("before", endpoint.before), ("after", endpoint.after))
        if side is not None and (mark := _mark(label, side)) is not None
    ]
    if not marks and not endpoint.points:
        return ""
    slo = None if endpoint.after is None else endpoint.after.slo
    known = any(
        side and side.plan and side.plan.cost.expected is not None
        for side in (endpoint.before, endpoint.after)
    )
    limit = None if slo is None else (slo.wait_p95_s if known else slo.cold_start_p95_s)
    what = (
        "Expected US dollars a month against the p95 of the wait, at worst; the line joins what no other candidate beats in both."
        if known
        else "Without known traffic: US dollars of all workers all month against the p95 of a cold start."
    )
    drawn = plot.svg(plot.Plot(clean(endpoint.name), endpoint.points, limit, marks))
    return f"<h3>{_said(endpoint.name)}: cost against latency</h3>\n{drawn}\n<p>{what}</p>"


def _mark(label: str, side: Side) -> plot.Mark | None:
    plan = side.plan
    if plan is None:
        return None
    if plan.cost.expected is None or plan.waits_worst is None:
        return plot.Mark(label, plan.cost.ceiling, plan.cold_start_worst.p95)
    if not math.isfinite(plan.waits_worst.p95):
        return None
    return plot.Mark(label, plan.cost.expected, plan.waits_worst.p95)


def _changes(report: StackReport) -> Iterator[str]:
    for change in sorted(report.changes, key=lambda one: (not one.custom, OPS.index(one.op), one.name)):
        first, *rest = map(_said, change_lines(change))
        yield f'<span class="{change.op}">{first}</span>\n' + "".join(f"{line}\n" for line in rest)


def _phases(report: StackReport) -> Iterator[tuple[str, ...]]:
    for endpoint in report.endpoints:
        if endpoint.after is not None and endpoint.after.plan is not None:
            for phase in endpoint.after.plan.cold_start_worst.phases:
                yield (
                    _said(endpoint.name),
                    phase.name,
                    seconds(phase.p50),
                    seconds(phase.p95),
                    _said(phase.note),
                )


def _foot(report: StackReport) -> Iterator[str]:
    yield from map(_said, report.notes)
    commits = [
        f"{what} {commit[:8]}" for what, commit in (("head", report.head), ("base", report.base)) if commit
    ]
    yield _said(" · ".join([*commits, *(f"{name} {version}" for name, version in report.versions.items())]))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are safe already."""
    head = "".join(f"<th>{_said(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>\n"


def _said(text: str) -> str:
    return html.escape(clean(text))
