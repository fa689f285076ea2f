"""Findings as SARIF 2.1.0, which code hosts show at the line that declares the resource."""

import hashlib
import re
from typing import Any

from infra.report.judged import Judged, Verdict, told
from infra.spec.findings import Finding, Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.DEFERRED: "note"}
_LINK = re.compile(r"\[(?=[^\]]*\]\()")
_NOWHERE = ("Pulumi.yaml", 1)
"""A code host refuses a result without a place; what is found on the whole stack has none of its own."""


def sarif(verdict: Verdict, version: str) -> dict[str, Any]:
    """A log with one run. `version`: of the tool."""
    found = list(verdict.findings())
    ids = list(dict.fromkeys([*verdict.rules, *(finding.rule for _, finding in found)]))
    rules = [
        {
            "id": id,
            "shortDescription": {"text": verdict.rules.get(id) or id},
            "properties": {"tags": ["policy"]},
        }
        for id in ids
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "pilotlight", "version": version, "rules": rules}},
                "automationDetails": {"id": f"pilotlight/{verdict.project}/{verdict.stack}/"},
                "results": [_result(one, finding, ids.index(finding.rule)) for one, finding in found],
                "columnKind": "utf16CodeUnits",
            }
        ],
    }


def _result(one: Judged, finding: Finding, index: int) -> dict[str, Any]:
    file, line = one.source or _NOWHERE
    name = f"{one.name}: " if one.name else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _LINK.sub(r"\\[", f"{name}{told(finding)}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(file)},
                    "region": {"startLine": max(line, 1)},
                },
                "logicalLocations": [{"name": one.name, "fullyQualifiedName": one.urn, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"resourceRule/v1": _print(one.urn, finding.rule, finding.path)},
        "properties": {"path": finding.path, "fix": finding.fix, "data": dict(finding.data)},
    }


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file.replace("\\", "/"))


def _print(*parts: str) -> str:
    """Stays the same while a finding stays, whatever its numbers and line are."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
