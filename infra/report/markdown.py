"""A comment on a pull request: the verdict first, then what it rests on, within what a forge takes. Pure."""

from collections.abc import Iterable, Sequence

from infra.report.digest import of_all
from infra.report.fit import Part, fit, size
from infra.report.marker import NO_HEAD, Marker
from infra.report.model import ROLL_UP, Change, Report, StackReport, Verdict
from infra.report.safe import code, fence, fenced, markdown
from infra.report.wording import (
    COLUMNS,
    OPS,
    assumptions,
    based_on,
    change_lines,
    checked,
    headline,
    icon,
    row,
    seconds,
    summary,
    where,
)

LIMIT = 65_000
"""Bytes. GitHub refuses a body of more than 65,536 characters."""
_STACK_LEAST = 1_500
_DIFFS_SHOWN = 30
_LEVELS = {"error": "❌ blocked", "warning": "⚠️ warning", "deferred": "… at `up`"}


def render(report: Report, limit: int = LIMIT) -> str:
    """The comment of the one stack, or the roll-up of several."""
    if len(report.stacks) == 1:
        return stack(report.stacks[0], limit)
    return roll_up(report, limit)


def stack(report: StackReport, limit: int = LIMIT) -> str:
    """The comment of one stack. Its first line is the marker."""
    marker = Marker(report.project, report.stack, report.digest or "0" * 64, report.head or NO_HEAD).line()
    return f"{marker}\n{body(report, limit - size(marker) - 1)}"


def roll_up(report: Report, limit: int = LIMIT) -> str:
    """All stacks in one table, and as much of each as there is room for."""
    marker = Marker(report.project, ROLL_UP, of_all(report), report.head or NO_HEAD).line()
    bad = [one for one in report.stacks if one.verdict is not Verdict.OK]
    count = len(report.stacks)
    title = f"{len(bad)} of {count} stacks do not pass" if bad else f"{count} stacks pass"
    if not count:
        title = "no stack is touched by this change"
    top = f"{marker}\n### {icon(report.verdict)} {markdown(report.project)}: {title}\n\n"
    order = sorted(report.stacks, key=lambda one: (one.verdict is Verdict.OK, one.stack))
    table = Part(
        "stacks",
        "| stack | verdict |\n| --- | --- |\n",
        [f"| {code(one.stack)} | {icon(one.verdict)} {headline(one, markdown)} |\n" for one in order],
        "\n",
        more=lambda left: f"| … | and {left} more |\n",
    )
    texts, _ = fit([table] if count else [], (limit - size(top)) // 2)
    said = top + texts.get("stacks", "")
    for left, one in zip(range(count, 0, -1), order, strict=True):
        room = (limit - size(said)) // left
        if room < _STACK_LEAST:
            note = f"<sub>{left} more stacks have no room here: each has its own report</sub>\n"
            return said + (note if size(said) + size(note) <= limit else "")
        opening = f"<details><summary>{icon(one.verdict)} {code(one.stack)}</summary>\n\n"
        closing = "\n</details>\n\n"
        said += opening + body(one, room - size(opening) - size(closing)) + closing
    return said


def body(report: StackReport, limit: int) -> str:
    """Everything below the marker."""
    top = f"### {icon(report.verdict)} {headline(report, markdown)}\n\n"
    if report.reason and report.reason.rstrip(". ") not in headline(report):
        top += f"> {markdown(report.reason, 1_000)}\n\n"
    counts = f"**Blocked** {len(report.errors)} · **Warnings** {len(report.warnings)} · {checked(report)}\n\n"
    foot = _foot(report)
    room = limit - size(top) - size(counts) - size(foot) - 200
    texts, dropped = fit(_parts(report), room)
    cut = (
        f"<sub>no room here for: {', '.join(dropped)}. The HTML and the JSON report have all of it.</sub>\n"
        if dropped
        else ""
    )
    order = ("endpoints", "policies", "diagnostics", "changes", "cost assumptions", "cold-start breakdown")
    blocks = {**texts, "policies": counts + texts.get("policies", "")}
    return top + "".join(blocks.get(title, "") for title in order) + cut + foot


def _parts(report: StackReport) -> list[Part]:
    """In the order of what they are worth."""
    found = [
        _policies(report),
        _endpoints(report),
        _diagnostics(report),
        _changes(report),
        _costs(report),
        _cold(report),
    ]
    return [part for part in found if part.rows]


def _endpoints(report: StackReport) -> Part:
    order = sorted(report.endpoints, key=lambda one: (one.change == "same", one.name))
    rows = [(code(name), change, markdown(gpu), *numbers) for name, change, gpu, *numbers in map(row, order)]
    return _table("endpoints", COLUMNS, rows, 0.25)


def _policies(report: StackReport) -> Part:
    rank = {"error": 0, "warning": 1, "deferred": 2}
    order = sorted(report.judgements, key=lambda one: (rank.get(one.level, 3), one.policy, one.resource))
    rows = [
        (
            _LEVELS.get(one.level, one.level),
            code(one.policy),
            code(one.resource) if one.resource else "the stack",
            markdown(one.message),
            markdown(one.fix) or "-",
            code(where(one)) if one.source else "-",
        )
        for one in order
    ]
    return _table("policies", ("level", "policy", "resource", "message", "fix", "declared at"), rows, 0.5)


def _diagnostics(report: StackReport) -> Part:
    rows = []
    for one in sorted(report.diagnostics, key=lambda one: one.severity != "error"):
        whose = f" {code(one.urn.rpartition('::')[2])}" if one.urn else ""
        rows.append(f"- **{markdown(one.severity)}**{whose}: {markdown(one.message, 1_000)}\n")
    head = "<details open><summary>What the engine and the program said</summary>\n\n"
    return Part("diagnostics", head, rows, "\n</details>\n\n", 0.2, lambda left: f"- … and {left} more\n")


def _changes(report: StackReport) -> Part:
    order = sorted(report.changes, key=lambda one: (not one.custom, OPS.index(one.op), one.name))
    rows = [_fenced(change) for change in order]
    ticks = fence(rows)
    warning = " (what is replaced gets another address)" if "replace" in report.counts() else ""
    head = (
        f"<details><summary>Changes: {summary(report)}{warning}</summary>\n\n"
        f"By {based_on(report)}.\n\n{ticks}diff\n"
    )
    return Part(
        "changes",
        head,
        rows,
        f"{ticks}\n\n</details>\n\n",
        0.4,
        lambda left: f"# … and {left} more resources\n",
    )


def _fenced(change: Change) -> str:
    lines = [fenced(line)[:300] for line in change_lines(change)]
    if len(lines) > _DIFFS_SHOWN:
        lines = [*lines[:_DIFFS_SHOWN], f"      … and {len(lines) - _DIFFS_SHOWN} more properties"]
    return "".join(f"{line}\n" for line in lines)


def _costs(report: StackReport) -> Part:
    rows = [f"- {f'{code(name)}: ' if name else ''}{markdown(text)}\n" for name, text in assumptions(report)]
    head = "<details><summary>Cost assumptions</summary>\n\n"
    return Part(
        "cost assumptions", head, rows, "\n</details>\n\n", 0.2, lambda left: f"- … and {left} more\n"
    )


def _cold(report: StackReport) -> Part:
    rows = [
        (code(endpoint.name), phase.name, seconds(phase.p50), seconds(phase.p95), markdown(phase.note) or "-")
        for endpoint in report.endpoints
        if endpoint.after is not None and endpoint.after.plan is not None
        for phase in endpoint.after.plan.cold_start_worst.phases
    ]
    part = _table("cold-start breakdown", ("endpoint", "phase", "p50", "p95", "because"), rows, 0.2)
    head = f"<details><summary>Cold-start breakdown</summary>\n\n{part.head}"
    return Part(part.title, head, part.rows, f"{part.tail}</details>\n\n", part.share, part.more)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], share: float) -> Part:
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"
    blank = " |" * (len(columns) - 2)
    return Part(
        title,
        head,
        [f"| {' | '.join(cells)} |\n" for cells in rows],
        "\n",
        share,
        lambda left: f"| … | and {left} more |{blank}\n",
    )


def _foot(report: StackReport) -> str:
    said = [f"head {report.head[:8]}"] if report.head else []
    said += [f"base {report.base[:8]}"] if report.base else []
    said += [f"{name} {version}" for name, version in report.versions.items()]
    notes = "".join(f"<sub>{markdown(note)}</sub><br>\n" for note in report.notes[:10])
    return f"{notes}<sub>{markdown(' · '.join(said))}</sub>\n" if said or notes else ""
