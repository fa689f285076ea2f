"""`weights-format`: weights are safetensors, which run no code when loaded, and what comes from elsewhere is pinned."""

import re

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, known
from policies.rules.rule import WEIGHTS, Rule, RuleSettings
from policies.rules.subject import Subject

_REMOTE = re.compile(r"^(hf|https?|s3|gs)://")
_PINNED = re.compile(r"@[0-9a-f]{40}$|@sha256:[0-9a-f]{64}$")


class Settings(RuleSettings):
    allow_pickle: bool = False
    """Whether weights may hold pickle files."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    findings = []
    try:
        pickle, source = known(subject.inputs.get("allowPickle")), known(subject.inputs.get("source"))
    except NotKnownYet:
        return [at_up(RULE.id, "source", "where the weights come from")]
    if pickle and not settings.allow_pickle:
        message = "allows pickle files, which can run any code when they are loaded"
        findings.append(Finding(RULE.id, "allowPickle", message, "convert the weights to safetensors"))
    if isinstance(source, str) and _REMOTE.match(source) and not _PINNED.search(source):
        message = f"source {source!r} names no revision: what is staged can change without a review"
        findings.append(Finding(RULE.id, "source", message, "append @ and the commit's 40 hex digits"))
    return findings


RULE = Rule(
    id="weights-format",
    description="Weights are safetensors of a pinned revision.",
    types=frozenset({WEIGHTS}),
    settings=Settings,
    check=check,
)
