"""The packages of a code directory: its requirements.txt, as lines that every cloud's rendering installs alike."""

import re
from pathlib import Path

_COMMENT = re.compile(r"(^|\s)#.*")
_HASHES = re.compile(r"\s--hash=\S+")


def read_packages(directory: Path | str) -> tuple[str, ...]:
    """Of the directory's requirements.txt; none where there is no such file."""
    file = Path(directory) / "requirements.txt"
    return read_requirements(file) if file.is_file() else ()


def read_requirements(file: Path) -> tuple[str, ...]:
    """The logical lines without comments and hashes, in their order. Raises OSError."""
    joined = re.sub(r"\\\r?\n", " ", file.read_text(encoding="utf-8"))
    lines = (_HASHES.sub("", " ".join(_COMMENT.sub("", line).split())) for line in joined.splitlines())
    return tuple(line for line in lines if line)
