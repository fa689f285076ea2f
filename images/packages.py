"""The packages of a code directory: its requirements.txt, as lines that every cloud's rendering installs alike."""

import re
from pathlib import Path

_COMMENT = re.compile(r"(^|\s)#.*")
_HASHES = re.compile(r"\s--hash=\S+")


def read_packages(directory: Path | str) -> tuple[str, ...]:
    """The logical lines without comments and hashes, in their order; none where there is no such file."""
    file = Path(directory) / "requirements.txt"
    if not file.is_file():
        return ()
    joined = re.sub(r"\\\r?\n", " ", file.read_text(encoding="utf-8"))
    lines = (_HASHES.sub("", " ".join(_COMMENT.sub("", line).split())) for line in joined.splitlines())
    return tuple(line for line in lines if line)
