"""Findings as JUnit XML: a test case for each resource and rule, so that what was proved shows, too."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from infra.report.judged import Judged, Verdict, told
from infra.spec.findings import Finding, Severity

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def junit(verdict: Verdict) -> str:
    """An error of a rule is a failure; what a preview cannot know is skipped; a warning passes, and is in system-out."""
    suite = Element("testsuite", name=_clean(f"pilotlight {verdict.stack}"))
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for one in verdict.judged:
        for rule in dict.fromkeys([*one.rules, *(finding.rule for finding in one.findings)]):
            own = [finding for finding in one.findings if finding.rule == rule]
            outcome = _case(suite, one, rule, own)
            counts["tests"] += 1
            if outcome:
                counts[outcome] += 1
    for name, number in counts.items():
        suite.set(name, str(number))
    suites = Element("testsuites", suite.attrib)
    suites.append(suite)
    indent(suites)
    return f"{_HEAD}{tostring(suites, encoding='unicode')}\n"


def _case(suite: Element, one: Judged, rule: str, found: list[Finding]) -> str | None:
    """Adds the case; what it counts as beside a test."""
    attributes = {"classname": rule, "name": one.urn or "stack"}
    if one.source is not None:
        attributes |= {"file": one.source[0], "line": str(one.source[1])}
    case = SubElement(suite, "testcase", {key: _clean(value) for key, value in attributes.items()})
    by = {severity: [told(one) for one in found if one.severity is severity] for severity in Severity}
    outcome = None
    if by[Severity.ERROR]:
        outcome = "failures"
        text = "\n".join(by[Severity.ERROR])
        SubElement(case, "failure", message=_clean(by[Severity.ERROR][0]), type=rule).text = _clean(text)
    elif by[Severity.DEFERRED]:
        outcome = "skipped"
        SubElement(case, "skipped", message=_clean(by[Severity.DEFERRED][0]))
    if by[Severity.WARNING]:
        SubElement(case, "system-out").text = _clean("\n".join(by[Severity.WARNING]))
    return outcome


def _clean(text: str) -> str:
    """What XML 1.0 cannot hold, not even escaped, is replaced."""
    return _NO_XML.sub("\ufffd", text)
