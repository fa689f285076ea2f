"""The comment: its words, its limits, and that it is whole at any size and with any name."""

import re
from dataclasses import replace

import pytest

from infra.report import markdown
from infra.report.events import read
from infra.report.facts import Declared
from infra.report.marker import Marker
from infra.report.model import ROLL_UP, Diagnostic, Report, StackReport, Verdict
from tests.report import golden
from tests.report.made import HEAD, finding, judged, lines, planned, report, resource

EVIL = "x|y`</details>```\n| @everyone <b> \u202e \ud800"


def whole(text: str) -> None:
    """Assert that fences, tables and details are closed, and that a forge would take it."""
    assert len(text.encode()) <= 65_536
    assert Marker.parse(text) is not None
    fenced, opened, columns = "", 0, 0
    for line in text.split("\n"):
        if fenced:
            fenced = "" if line == fenced else fenced
            continue
        if match := re.match(r"(`{3,})", line):
            fenced = match[1]
            continue
        opened += line.count("<details") - line.count("</details>")
        assert "<b>" not in line
        cells = line.count("|")
        if line.startswith("|"):
            assert columns in (0, cells), line
            columns = cells
        else:
            columns = 0
            assert cells == 0, line
    assert fenced == ""
    assert opened == 0
    assert "@everyone" not in text


def test_the_comment() -> None:
    text = markdown.stack(report())
    whole(text)
    golden.holds("blocked.md", text)


def test_a_failure_is_a_comment_too() -> None:
    text = markdown.stack(
        report(
            head=Declared(why="the program fails: ZeroDivisionError (stacks/__main__.py, line 3)"),
            stream=read(lines(2, end=None)),
        )
    )
    whole(text)
    golden.holds("failed.md", text)


def test_nothing_to_do_is_said() -> None:
    text = markdown.stack(report(judged=judged(3), stream=read(lines(0))))
    whole(text)
    assert "### ✅ prod: no changes. " in text


@pytest.mark.parametrize("count", [1, 50, 500])
def test_it_is_whole_at_any_size(count: int) -> None:
    findings = tuple(finding(f"chat-{index}", message="x" * 300) for index in range(count))
    made = report(
        count,
        judged=judged(count * 20, *findings),
        said=tuple(Diagnostic("error", "e" * 900) for _ in range(count)),
    )
    text = markdown.stack(made)
    whole(text)
    assert text.count("\n") > 30
    for part in ("| endpoint | change |", "❌ blocked", "<summary>Changes", "What the engine"):
        assert part in text
    assert ("more" in text) == (count > 1)


@pytest.mark.parametrize("limit", [1_500, 3_000, 6_000, 20_000])
def test_what_is_worth_least_goes_first(limit: int) -> None:
    text = markdown.stack(report(200), limit)
    whole(text)
    assert len(text.encode()) <= limit
    assert "blocked by 1 policy" in text
    if "Cold-start breakdown" in text:
        assert "| endpoint | change |" in text
        assert "❌ blocked" in text


def test_evil_names_break_nothing() -> None:
    head = Declared([resource(EVIL)], {EVIL: planned(EVIL, notes=(EVIL,))})
    findings = (finding(EVIL, message=EVIL, fix=EVIL), finding("", policy=EVIL))
    said = (Diagnostic("error", EVIL, f"urn:pulumi:a::b::c::{EVIL}"),)
    made = report(
        head=head,
        base=None,
        stream=read(lines(20, name=EVIL)),
        judged=judged(2, *findings),
        said=said,
        notes=(EVIL,),
    )
    text = markdown.stack(replace(made, reason=EVIL, verdict=Verdict.FAILED))
    whole(text)


def _stack(name: str, verdict: Verdict) -> StackReport:
    return replace(report(30), stack=name, verdict=verdict, judgements=())


def test_a_roll_up_has_the_bad_ones_first_and_all_in_its_table() -> None:
    stacks = tuple(
        _stack(f"s{index:03}", Verdict.FAILED if index == 7 else Verdict.OK) for index in range(40)
    )
    text = markdown.render(Report("shop", stacks, HEAD))
    whole(text)
    marker = Marker.parse(text)
    assert marker is not None
    assert marker.stack == ROLL_UP
    assert "1 of 40 stacks do not pass" in text
    assert text.index("`s007`") < text.index("`s000`")
    assert all(f"| `{one.stack}` |" in text for one in stacks)


def test_no_stack_at_all_is_a_comment() -> None:
    text = markdown.render(Report("shop", (), HEAD))
    whole(text)
    assert "no stack is touched" in text
