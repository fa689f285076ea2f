"""What a run of all rules found, as reports take it: each resource with its rules and findings, and where it is declared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.spec.findings import Finding, Severity

VERSION = 1
"""Of the JSON form."""


@dataclass(frozen=True)
class Judged:
    """One resource, or the stack as a whole (`urn` and `type` are "" then). `rules`: the ids it was judged by.

    `source`: (file relative to the project, line) of its declaration, where that is known.
    """

    urn: str
    type: str
    name: str
    rules: tuple[str, ...]
    findings: tuple[Finding, ...]
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Verdict:
    """All of a stack. `rules`: id -> description, of every rule there is."""

    stack: str
    project: str
    judged: Sequence[Judged]
    rules: Mapping[str, str] = field(default_factory=dict)

    def findings(self) -> Iterator[tuple[Judged, Finding]]:
        for one in self.judged:
            for finding in one.findings:
                yield one, finding

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for _, finding in self.findings())

    @property
    def blocked(self) -> bool:
        return self.count(Severity.ERROR) > 0

    @property
    def pairs(self) -> int:
        """Resource x rule pairs."""
        return sum(len(one.rules) for one in self.judged)

    @property
    def proved(self) -> int:
        """Of those, how many could be judged."""
        left = {
            (one.urn, finding.rule)
            for one, finding in self.findings()
            if finding.severity is Severity.DEFERRED
        }
        return self.pairs - len(left)

    def sentence(self) -> str:
        counted = (
            (Severity.ERROR, "error"),
            (Severity.WARNING, "warning"),
            (Severity.DEFERRED, "known at `up` only"),
        )
        parts = [
            f"{number} {word}{'s' if number > 1 and word[-1] != 'y' else ''}"
            for severity, word in counted
            if (number := self.count(severity))
        ]
        said = "blocked" if self.blocked else "passes"
        return f"{self.stack}: {said}{' (' + ', '.join(parts) + ')' if parts else ''}; {self.proved} of {self.pairs} resource x rule pairs proved"


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The machine form, by a version of its own."""
    return {
        "version": VERSION,
        "project": verdict.project,
        "stack": verdict.stack,
        "blocked": verdict.blocked,
        "pairs": verdict.pairs,
        "proved": verdict.proved,
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "resource": one.name,
                "type": one.type,
                "urn": one.urn,
                "path": finding.path,
                "message": finding.message,
                "fix": finding.fix,
                "data": dict(finding.data),
                "source": None if one.source is None else {"file": one.source[0], "line": one.source[1]},
            }
            for one, finding in verdict.findings()
        ],
    }


def told(finding: Finding) -> str:
    """One finding in words, its place and its fix included."""
    at = f"{finding.path}: " if finding.path else ""
    fix = f" Fix: {finding.fix}" if finding.fix else ""
    return f"{at}{finding.message}{fix}"
