"""A report for people at a terminal. Pure."""

from collections.abc import Iterator

from infra.report.model import Report, StackReport
from infra.report.safe import one_line, terminal
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


def render(report: Report) -> str:
    """All stacks, one after the other."""
    if not report.stacks:
        return "no stack is touched by this change\n"
    return terminal("\n\n".join("\n".join(_stack(one)) for one in report.stacks)) + "\n"


def _stack(report: StackReport) -> Iterator[str]:
    yield f"{icon(report.verdict)} {headline(report, one_line)}"
    if report.reason:
        yield f"   {report.reason}"
    if report.endpoints:
        yield ""
        yield from _table([COLUMNS, *map(row, report.endpoints)])
    yield ""
    yield f"policies: {found(report)}; {checked(report)}"
    for one in report.judgements:
        at = f" ({where(one)})" if one.source else ""
        yield f"  {one.level:<9}{one.policy}  {one.resource or 'the stack'}: {one.message}{at}"
        if one.fix:
            yield f"           fix: {one.fix}"
    for said in report.diagnostics:
        yield f"  {said.severity}: {one_line(said.message, 1_000)}"
    yield ""
    yield f"changes, by {based_on(report)}: {summary(report)}"
    for change in sorted(report.changes, key=lambda one: (not one.custom, OPS.index(one.op), one.name)):
        yield from (f"  {line}" for line in change_lines(change))
    yield ""
    yield "costs rest on"
    yield from (f"  {f'{name}: ' if name else ''}{text}" for name, text in assumptions(report))
    phases = list(_phases(report))
    if phases:
        yield ""
        yield "cold starts"
        yield from _table(phases)
    yield from (f"note: {note}" for note in report.notes)


def _phases(report: StackReport) -> Iterator[tuple[str, ...]]:
    for endpoint in report.endpoints:
        if endpoint.after is not None and endpoint.after.plan is not None:
            for phase in endpoint.after.plan.cold_start_worst.phases:
                yield endpoint.name, phase.name, seconds(phase.p50), seconds(phase.p95), phase.note


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    cells = [[one_line(cell, 60) for cell in cells] for cells in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
