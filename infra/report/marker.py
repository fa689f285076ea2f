"""The first line of a comment: whose report it is, of which head, and what it says. The one place that writes and reads it."""

import re
from dataclasses import dataclass

NO_HEAD = "0" * 40
_NAME = r"[A-Za-z0-9_.\-]{1,100}"
_LINE = re.compile(
    rf"<!-- pilotlight:(?P<project>{_NAME})/(?P<stack>{_NAME})"
    r" digest=(?P<digest>[0-9a-f]{8,128}) head=(?P<head>[0-9a-f]{7,64}) -->"
)


@dataclass(frozen=True)
class Marker:
    """Identity of one comment: there is one for each `project` and `stack` on a pull request.

    `digest`: of what the change does, in hex; two reports with the same digest and head need not be posted twice.
    `head`: the commit that was previewed, in hex; `NO_HEAD` where there is none.
    """

    project: str
    stack: str
    digest: str
    head: str

    def line(self) -> str:
        """The line, without its end. Raises ValueError for names that the engine would not take either."""
        line = f"<!-- pilotlight:{self.project}/{self.stack} digest={self.digest} head={self.head} -->"
        if _LINE.fullmatch(line) is None:
            raise ValueError(f"{line!r} is no marker")
        return line

    @classmethod
    def parse(cls, text: str) -> "Marker | None":
        """Of a comment's whole text: only its very first line counts, and only when there is nothing else on it."""
        found = _LINE.fullmatch(text.partition("\n")[0].rstrip("\r"))
        return None if found is None else cls(**found.groupdict())

    def same_comment(self, other: "Marker") -> bool:
        """Whether both belong to the same stack."""
        return (self.project, self.stack) == (other.project, other.stack)
