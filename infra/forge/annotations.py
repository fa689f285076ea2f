"""SARIF 2.1.0 as GitHub's workflow commands: `::error file=…,line=…,title=…::message`, shown on the lines of a pull request.

GitHub keeps ten errors and ten warnings of a step (docs.github.com, "Workflow commands"); what is beyond is counted in a notice.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.forge.errors import ForgeError

_MOST_OF_A_LEVEL = 10
_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def commands(sarif: Path) -> Iterator[str]:
    """One line for each annotation, the worst first. Raises ForgeError for what is no SARIF."""
    try:
        document = json.loads(sarif.read_text(encoding="utf-8"))
        results = [result for run in document["runs"] for result in run.get("results") or []]
        lines = [_command(result) for result in results if not result.get("suppressions")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ForgeError(
            f"{sarif} cannot be read as SARIF ({type(error).__name__})",
            fix="write it with `pilotlight check --format sarif -o FILE`",
        ) from error
    order = list(_LEVELS.values())
    shown: Counter[str] = Counter()
    for level, line in sorted(lines, key=lambda pair: order.index(pair[0])):
        shown[level] += 1
        if shown[level] <= _MOST_OF_A_LEVEL:
            yield line
    if beyond := sum(max(0, count - _MOST_OF_A_LEVEL) for count in shown.values()):
        yield f"::notice::{beyond} more findings are in the report: GitHub shows {_MOST_OF_A_LEVEL} of each level"


def _command(result: dict[str, Any]) -> tuple[str, str]:
    level = _LEVELS.get(result.get("level", "warning"), "notice")
    properties = {"title": result.get("ruleId", "")}
    for location in (result.get("locations") or [])[:1]:
        physical = location.get("physicalLocation") or {}
        properties["file"] = (physical.get("artifactLocation") or {}).get("uri", "")
        properties["line"] = (physical.get("region") or {}).get("startLine", "")
    said = ",".join(f"{name}={_property(value)}" for name, value in sorted(properties.items()) if value)
    return level, f"::{level} {said}::{_data(result['message']['text'])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: Any) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")
