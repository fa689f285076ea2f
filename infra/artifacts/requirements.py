"""Requirements as a lock: every line pinned, wheels only, so that the same text gives the same packages."""

import re
from collections.abc import Iterable
from pathlib import Path

_PINNED = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*==\s*[A-Za-z0-9][A-Za-z0-9.!+_-]*\s*(;.*)?(--hash=.*)?"
)
_COMMENT = re.compile(r"(^|\s)#.*")


def parse(text: str) -> list[str]:
    """The logical lines, without comments, in their order."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (" ".join(_COMMENT.sub("", line).split()) for line in joined.splitlines())
    return [line for line in lines if line]


def problems(lines: Iterable[str]) -> list[str]:
    """Why a line does not name one version of one package."""
    return [reason for line in lines if (reason := _problem(line))]


def _problem(line: str) -> str | None:
    if _PINNED.fullmatch(line):
        return None
    if line.startswith("-"):
        return f"{line!r} is an option. Wanted: packages only, all in one list (`uv pip compile` makes one)"
    if "://" in line or " @ " in line:
        return f"{line!r} is an address. Wanted: name==version of a package that has wheels"
    return f"{line!r} is not pinned. Wanted: name==version (`uv pip compile` pins a whole list)"


def read(file: Path) -> tuple[list[str], list[str]]:
    """(lines, problems) of a requirements file."""
    try:
        lines = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        return [], [f"{file}: {reason}"]
    return lines, [f"{file.name}: {problem}" for problem in problems(lines)]
