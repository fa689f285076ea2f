"""The engine's own account of a preview: JSON lines of `PULUMI_ENABLE_STREAMING_JSON_PREVIEW=1 pulumi preview --json`.

Pure: lines in, `Stream` out. What is not known here is counted and never an error: the CLI adds kinds of events.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.report.model import Change, Diagnostic, Diff, Violation
from infra.report.paths import at, decoded, shown

_SILENT = frozenset(
    {
        "sequence",
        "timestamp",
        "preludeEvent",
        "policyLoadEvent",
        "resOutputsEvent",
        "cancelEvent",
        "stdoutEvent",
    }
    | {"policyRemediateSummaryEvent", "policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"}
    | {"resOpFailedEvent", "progressEvent", "startDebuggingEvent"}
)
_OPS = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import": "import",
    "import-replacement": "replace",
}
_NOT_OURS = ("pulumi:providers:", "pulumi:pulumi:Stack")
_QUIET = frozenset({"__pilotlight"})
_CONTENT = re.compile(r"[0-9a-f]{64}")
_LEVELS = {"mandatory": "error", "advisory": "warning"}


@dataclass
class Stream:
    """What the lines said. `ended`: the engine's summary came; without it the preview broke off.

    By URN: `deployed` holds the intents that the state has, `inputs` what will be there as the engine prints it, `contents`
    the digests of content in these;
    `unknown` how often each unknown kind of event came; `broken` how many lines were no JSON.
    """

    changes: list[Change] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    deployed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    contents: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    events: int = 0
    ended: bool = False
    succeeded: bool = False
    engine_s: float | None = None


def read(lines: Iterable[str]) -> Stream:
    """All lines of one preview, in their order."""
    stream = Stream()
    changes: dict[str, Change] = {}
    for line in lines:
        if not line.strip() or '"severity":"debug"' in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            stream.broken += 1
            continue
        if not isinstance(event, dict):
            stream.broken += 1
            continue
        stream.events += 1
        try:
            _take(event, stream, changes)
        except (AttributeError, KeyError, TypeError, ValueError):  # a known kind in a form that is not
            stream.broken += 1
    stream.changes = list(changes.values())
    return stream


def _take(event: dict[str, Any], stream: Stream, changes: dict[str, Change]) -> None:
    for kind, body in event.items():
        if kind in _SILENT:
            continue
        match kind:
            case "resourcePreEvent":
                _resource(body["metadata"], stream, changes)
            case "diagnosticEvent":
                said = Diagnostic(body["severity"], body["message"].strip(), body.get("urn", ""))
                if (
                    said.message
                    and not body.get("ephemeral")
                    and said.severity in ("info#err", "warning", "error")
                ):
                    stream.diagnostics.append(said)
            case "policyEvent" | "policyRemediationEvent":
                if kind == "policyEvent":
                    stream.violations.append(_violation(body))
            case "errorEvent":
                stream.diagnostics.append(Diagnostic("error", str(body.get("error", body))))
            case "summaryEvent":
                stream.ended = True
                stream.succeeded = body.get("result", "succeeded") == "succeeded"
                stream.engine_s = body.get("durationSeconds")
                stream.counts = {
                    str(op): int(count) for op, count in (body.get("resourceChanges") or {}).items()
                }
            case _:
                stream.unknown[kind] = stream.unknown.get(kind, 0) + 1


def _resource(metadata: dict[str, Any], stream: Stream, changes: dict[str, Change]) -> None:
    urn, type_ = metadata["urn"], metadata["type"]
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    before, after = old.get("inputs") or {}, new.get("inputs") or {}
    if isinstance(intent := before.get("intent"), Mapping) and "endpoint" in intent:
        stream.deployed[urn] = decoded(intent)
    if metadata.get("new") is not None and not type_.startswith(_NOT_OURS):
        stream.inputs[urn] = after
    op = _OPS.get(metadata["op"])
    if op is None or type_.startswith(_NOT_OURS) or (urn in changes and changes[urn].op == "replace"):
        return
    diffs = [
        _diff(path, found["diffKind"], old if not found.get("inputDiff") else before, before, after)
        for path, found in sorted((metadata.get("detailedDiff") or {}).items())
        if path.partition(".")[0] not in _QUIET
    ]
    if not diffs and op in ("update", "replace"):
        keys = set(metadata.get("keys") or ())
        diffs = [
            Diff(
                path,
                "update-replace" if path in keys else "update",
                shown(path, before.get(path)),
                shown(path, after.get(path)),
            )
            for path in metadata.get("diffs") or ()
            if path not in _QUIET
        ]
    if op in ("create", "update", "replace"):
        stream.contents[urn] = sorted(set(_CONTENT.findall(json.dumps(after))))
    changes[urn] = Change(
        op,
        urn,
        type_,
        urn.rpartition("::")[2],
        tuple(diffs),
        bool((new or old).get("custom")),
    )


def _diff(path: str, kind: str, old: Any, before: Any, after: Any) -> Diff:
    was = at(before, path)
    if was is None and old is not before:
        was = at(old.get("outputs") or {}, path)
    return Diff(path, kind, shown(path, was), shown(path, at(after, path)))


def _violation(body: dict[str, Any]) -> Violation:
    return Violation(
        policy=body["policyName"],
        pack=body.get("policyPackName", ""),
        level=_LEVELS.get(body.get("enforcementLevel", ""), "warning"),
        message=" ".join(body["message"].split()),
        urn=body.get("resourceUrn", ""),
    )
