"""A report's findings in the forms of test runners and code scanners."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from infra.report.judged import Judged, Verdict
from infra.report.junit import junit
from infra.report.model import Judgement, Report, StackReport
from infra.report.model import Verdict as Ended
from infra.report.sarif import sarif
from infra.spec.findings import Finding, Severity

PREVIEW = "preview"
"""The rule that a preview comes to its end: without it a report of no findings would pass for a good one."""


def as_sarif(report: Report) -> str:
    """SARIF 2.1.0: one log, and a run for each stack."""
    logs = [sarif(_verdict(one), one.versions.get("pilotlight", "0")) for one in report.stacks]
    empty: dict[str, Any] = sarif(Verdict("", report.project, ()), "0")
    whole = {**(logs[0] if logs else empty), "runs": [run for log in logs or [empty] for run in log["runs"]]}
    return json.dumps(whole, indent=2) + "\n"


def as_junit(report: Report) -> str:
    """JUnit: a suite for each stack."""
    suites = [suite for one in report.stacks for suite in ElementTree.fromstring(junit(_verdict(one)))]
    root = ElementTree.Element("testsuites")
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.extend(suites)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _verdict(report: StackReport) -> Verdict:
    """The rules' verdict told back, with what packs said and whether the preview came to its end."""
    met = {
        one.urn: Judged(one.urn, one.type, one.name, one.rules, tuple(_of(one.urn, report)), one.source)
        for one in report.met
    }
    for one in report.judgements:
        if one.urn not in met:
            met[one.urn] = Judged(
                one.urn, one.type, one.resource, (), tuple(_of(one.urn, report)), one.source
            )
    failed = report.verdict is Ended.FAILED
    ended = (
        (Finding(PREVIEW, "", report.reason or "the preview failed", "mend that, and preview again"),)
        if failed
        else ()
    )
    rules = {**report.rules, PREVIEW: "The preview comes to its end."}
    return Verdict(
        report.stack, report.project, [*met.values(), Judged("", "", "", (PREVIEW,), ended)], rules
    )


def _of(urn: str, report: StackReport) -> Iterator[Finding]:
    yield from (_finding(one) for one in report.judgements if one.urn == urn)


def _finding(one: Judgement) -> Finding:
    return Finding(one.policy, one.path, one.message, one.fix, Severity(one.level))
