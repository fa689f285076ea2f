"""The body of an issue that a scheduled job keeps: a tool's plain output, quoted so that nothing in it acts."""

import hashlib
import re

from infra.report.marker import NO_HEAD, Marker

# Below GitHub's 65,536 with room for the frame.
_LONGEST_TEXT = 60_000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What differs between two runs that say the same.
_VOLATILE = re.compile(r"^\s*(Duration:|View (in Browser|Live)|Loading policy|@ ).*$", re.MULTILINE)


def issue_marker(project: str, stack: str, topic: str, text: str) -> Marker:
    """One issue for each stack and topic."""
    digest = hashlib.sha256(_VOLATILE.sub("", text).encode()).hexdigest()
    return Marker(project, f"{stack}.{topic}", digest, NO_HEAD)


def issue_body(project: str, stack: str, topic: str, output: str, job: str) -> str:
    """`job`: the page of the run that saw it, "" if there is none."""
    text = _ESCAPES.sub("", output).replace("\r", "").strip("\n")
    line = issue_marker(project, stack, topic, text).line()
    rest = len(text) - _LONGEST_TEXT
    if rest > 0:
        text = text[:_LONGEST_TEXT].rpartition("\n")[0] or text[:_LONGEST_TEXT]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    parts = [
        line,
        f"Stack `{stack}`, {topic}{f', seen by [this run]({job})' if job else ''}:",
        f"{fence}text\n{text}\n{fence}",
    ]
    if rest > 0:
        parts.append(f"About {rest} characters more are in the run's log.")
    parts.append("This issue is kept up to date, and closed by itself when all is well again.")
    return "\n\n".join(parts).replace("\n\n", "\n", 1) + "\n"
