"""Small globs: `*` and `?` stay within a path step, `**` crosses steps, a pattern without `/` matches at any depth."""

import functools
import re
from collections.abc import Iterable


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a POSIX path below some directory matches any of the patterns. A trailing `/` matches all below."""
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


def ignored(path: str, lines: Iterable[str]) -> bool:
    """What a `.pilotlightignore` says of a path: the last matching line wins, `!` brings back, `#` is a comment."""
    verdict = False
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if matches(path, [pattern]) or matches(path, [pattern.rstrip("/") + "/"]):
            verdict = not line.startswith("!")
    return verdict


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    below = pattern.endswith("/")
    core = pattern.strip("/")
    anywhere = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    body = "".join(_translate(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", core))
    return re.compile(anywhere + body + ("/.*" if below else ""), re.DOTALL)


def _translate(part: str) -> str:
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return special.get(part, re.escape(part))
