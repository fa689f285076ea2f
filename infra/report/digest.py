"""One number for what a change does, so that what is merged can be held against what was reviewed. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra.report.model import Change, Judgement, Report
from infra.spec.findings import UNKNOWN


def of_changes(
    verdict: str,
    changes: Iterable[Change],
    declared: Mapping[str, Mapping[str, Any]],
    contents: Mapping[str, list[str]],
    judgements: Iterable[Judgement],
    plans: Mapping[str, Any],
) -> str:
    """SHA-256 in hex of: what happens to which resource at which properties; what head declares of them; the digests of
    content among their inputs; what policies said; and what the plans of head say.

    Left out is what two previews of the same thing do not have in common: generated names, ids, times, and the base.
    """
    changes = sorted(changes, key=lambda one: one.urn)
    whole = {
        "verdict": verdict,
        "changes": [
            [one.op, one.urn, sorted((diff.path, diff.kind, diff.after) for diff in one.diffs)]
            for one in changes
        ],
        "declared": declared,
        "contents": {one.urn: contents[one.urn] for one in changes if one.urn in contents},
        "policies": sorted([one.level, one.policy, one.urn] for one in judgements),
        "plans": plans,
    }
    return _hex(whole)


def of_all(report: Report) -> str:
    """Of a roll-up: the digests of its stacks."""
    return _hex({stack.stack: stack.digest for stack in report.stacks})


def _hex(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, default=_text, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> str:
    return "UNKNOWN" if value is UNKNOWN else str(value)
