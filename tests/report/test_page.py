"""The HTML page, the JSON and the terminal's text: whole, of their own, and in the form that is promised."""

import json
import re
from decimal import Decimal
from html.parser import HTMLParser

import jsonschema
import pytest

from infra.planning.plan import Point
from infra.report import data, page, text
from infra.report.events import read
from infra.report.facts import Declared
from infra.report.model import Report
from tests.report import golden
from tests.report.made import BASE, HEAD, event, finding, judged, lines, planned, report, resource

EVIL = "<script>alert(1)</script>\" onload='x' \u202e@all"
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order; `html` may be left open by nobody."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.links: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1


def _page(*stacks: object) -> tuple[str, Balanced]:
    said = page.render(Report("shop", tuple(stacks), HEAD, BASE))  # type: ignore[arg-type]
    return said, Balanced(said)


def test_the_page_draws_before_and_after_of_each_endpoint() -> None:
    points = (
        Point("modal L4", Decimal(900), 20.0, True, True),
        Point("runpod H100", Decimal(2915), 9.0, True),
    )
    said, found = _page(report(2, points={"chat-0": points}))
    assert found.open == []
    assert found.seen["svg"] == 2
    assert said.count('class="before"') == said.count('class="after"') == said.count('class="move"') == 2
    assert "modal L4" in said
    assert "blocked by 1 policy. $1,240" not in said  # two endpoints: the sum
    assert "$2,480 -&gt; $5,830 /month expected" in said


def test_it_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    said, found = _page(report(), report())
    assert "script" not in found.seen
    assert all(link.startswith("#") for link in found.links)
    assert re.search(r"https?://|url\(|@import", said) is None


def test_without_traffic_the_plot_is_of_the_ceiling() -> None:
    said, _ = _page(report(head=Declared([], {"chat-0": planned("chat-0", expected=None)}), base=None))
    assert "Without known traffic" in said
    assert 'class="after"' in said
    assert 'class="before"' not in said


def test_evil_names_are_text() -> None:
    made = report(
        head=Declared([resource(EVIL)], {EVIL: planned(EVIL)}),
        judged=judged(1, finding(EVIL, message=EVIL)),
        stream=read(lines(3, name=EVIL)),
        notes=(EVIL,),
    )
    said, found = _page(made)
    assert found.open == []
    assert "script" not in found.seen
    assert "\u202e" not in said


def test_no_stack_is_a_page() -> None:
    assert "No stack is touched" in _page()[0]


def test_the_json_is_as_its_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(data.schema())
    failed = report(head=Declared(why="x"), base=None, stream=None, no_engine="y")
    endless = report(head=Declared([], {"chat-0": planned("chat-0", p95=float("inf"))}), judged=judged(0))
    odd = report(stream=read([event(0, quantumEvent={}), "{", *lines(20)]))
    for stacks in ((), (report(),), (failed, odd, endless)):
        made = json.loads(data.render(Report("shop", stacks, HEAD, BASE)), parse_constant=pytest.fail)
        validator.validate(made)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**made, "verdict": "perhaps"})


def test_the_json_has_everything_that_the_comment_has() -> None:
    made = data.as_data(Report("shop", (report(),), HEAD, BASE))
    [stack] = made["stacks"]
    assert (made["version"], stack["verdict"], stack["counts"]) == (1, "blocked", {"replace": 1})
    assert stack["usdPerMonth"]["after"]["expected"] == "2915"
    assert stack["findings"][0]["source"] == {"file": "stacks/__main__.py", "line": 12}
    assert stack["endpoints"][0]["after"]["slo"]["cold_start_p95_s"] == 30


def test_the_terminal() -> None:
    golden.holds("blocked.txt", text.render(Report("shop", (report(3),), HEAD, BASE)))


def test_a_terminal_is_not_steered() -> None:
    assert "\x1b" not in text.render(Report("shop", (report(notes=("\x1b[2J",)),), HEAD, BASE))
