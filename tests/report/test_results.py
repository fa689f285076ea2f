"""Findings for test runners and code scanners, and a canary in every field that could hold a secret."""

import json
from pathlib import Path
from xml.etree import ElementTree

from infra.report import data, markdown, page, results, text
from infra.report.build import stack_report
from infra.report.events import read
from infra.report.facts import Declared
from infra.report.model import Diagnostic, Report
from infra.report.redact import Redactor
from tests.report.made import (
    BASE,
    HEAD,
    event,
    facts,
    finding,
    judged,
    lines,
    planned,
    report,
    resource,
    step,
    urn,
)

CANARY = "canary-8c1f2e"


def test_sarif_has_a_run_for_each_stack_and_the_line_of_the_declaration() -> None:
    log = json.loads(results.as_sarif(Report("shop", (report(), report()), HEAD, BASE)))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 2)
    first = log["runs"][0]["results"][0]
    assert first["level"] == "error"
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("stacks/__main__.py", 12)
    assert [one["level"] for one in log["runs"][0]["results"]] == ["error", "warning", "note"]


def test_junit_has_what_was_proved_too() -> None:
    root = ElementTree.fromstring(results.as_junit(Report("shop", (report(),), HEAD, BASE)))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == (
        "35",
        "1",
        "1",
    )  # 34 pairs and the end


def test_a_preview_that_failed_is_no_good_result() -> None:
    failed = Report("shop", (report(judged=judged(0), head=Declared(why="no such module")),), HEAD, BASE)
    assert ElementTree.fromstring(results.as_junit(failed)).get("failures") == "1"
    [result] = json.loads(results.as_sarif(failed))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("preview", "error")
    assert "no such module" in result["message"]["text"]


def test_no_stack_is_a_whole_document() -> None:
    nothing = Report("shop", (), HEAD, BASE)
    assert len(json.loads(results.as_sarif(nothing))["runs"]) == 1
    assert ElementTree.fromstring(results.as_junit(nothing)).get("tests") == "0"


def test_a_canary_in_every_field_comes_out_of_no_form() -> None:
    name, here = f"chat-{CANARY}", f"/home/bob/shop/{CANARY}/x.py"
    old = {
        "env": {"A": CANARY},
        "args": CANARY,
        "list": [CANARY],
        "intent": {"endpoint": name, "note": CANARY},
    }
    diff = {
        path: {"diffKind": "update-replace", "inputDiff": True}
        for path in ("args", "env.A", "list[0]", f"x.{CANARY}")
    }
    said = {"severity": "error", "message": f"boom {CANARY} {here}", "urn": urn(name)}
    violation = {"resourceUrn": urn(name), "message": CANARY, "policyName": CANARY, "policyPackName": CANARY}
    stream = read(
        [
            event(
                0,
                resourcePreEvent=step(name, "replace", old, {**old, "args": f"{CANARY}!"}, detailedDiff=diff),
            ),
            event(1, diagnosticEvent=said),
            event(2, policyEvent={**violation, "enforcementLevel": "mandatory"}),
            event(3, **{f"odd{CANARY}": {}}),
            *lines(3, end="failed"),
        ]
    )
    side = planned(name, gpu=CANARY, notes=(CANARY,), missing=(CANARY,), basis=CANARY, price_book=CANARY)
    given = facts(
        head=Declared([resource(name, env={"A": CANARY})], {name: side}),
        base=Declared(why=f"broken: {CANARY}"),
        deployed={name: planned(name, gpu=f"{CANARY}2")},
        judged=judged(3, finding(name, message=CANARY, fix=CANARY, path=CANARY)),
        stream=stream,
        no_engine=CANARY,
        said=(Diagnostic("error", CANARY),),
        notes=(CANARY,),
        versions={"pulumi": CANARY},
    )
    for one in (given, facts(head=Declared(why=f"fails: {CANARY} at {here}"), stream=None, no_engine=CANARY)):
        whole = Redactor([CANARY], Path("/home/bob/shop")).all(
            Report("shop", (stack_report(one),), HEAD, BASE)
        )
        for render in (
            markdown.render,
            page.render,
            data.render,
            text.render,
            results.as_sarif,
            results.as_junit,
        ):
            told = render(whole)
            assert CANARY not in told, render
            assert "/home/bob" not in told, render
