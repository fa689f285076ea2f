"""A review stack's lease: whose it is and until when, in one line that its tag in the backend and its settings both carry.

The tag is what a reaper on another machine reads; the line in the settings is written before the stack exists, so that one
that was killed between the two is still known as ours. A name alone proves nothing: the line must name the very stack.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.spec.errors import PilotlightError

PREFIX = "review-pr-"
KEY = "pilotlight:review"
"""The name of the tag, and of the setting."""

_NAME = re.compile(rf"{PREFIX}([1-9]\d{{0,9}})")
_LINE = re.compile(r"v1 stack=(\S+) base=(\S+) expires=(\S+)")


class ReviewError(PilotlightError):
    """A review stack cannot be made, or one that is not ours was asked for."""


@dataclass(frozen=True)
class Lease:
    """`expires` is aware, in UTC, to the second."""

    stack: str
    base: str
    expires: datetime

    def line(self) -> str:
        return f"v1 stack={self.stack} base={self.base} expires={self.expires:%Y-%m-%dT%H:%M:%SZ}"

    @staticmethod
    def parse(text: str, stack: str) -> "Lease | None":
        """None for what is no lease, or another stack's: such a stack was not made here, and is never touched.

        Raises ReviewError for a lease of this stack whose time cannot be read.
        """
        found = _LINE.fullmatch(text.strip())
        if found is None or found[1] != short(stack) or not is_review(found[1]):
            return None
        try:
            expires = datetime.fromisoformat(found[3])
        except ValueError:
            raise ReviewError(
                f"the lease of stack {stack!r} ends at {found[3]!r}, which is no time",
                fix="renew it with `pilotlight review up`, or end it with `pilotlight review down`",
            ) from None
        return Lease(found[1], found[2], expires if expires.tzinfo else expires.replace(tzinfo=UTC))


def name(pull_request: int) -> str:
    """Raises ReviewError."""
    stack = f"{PREFIX}{pull_request}"
    if not is_review(stack):
        raise ReviewError(
            f"{pull_request} is no number of a pull request", wanted="1 or more, such as --pr 41"
        )
    return stack


def is_review(stack: str) -> bool:
    return _NAME.fullmatch(short(stack)) is not None


def short(stack: str) -> str:
    """Without the organization and the project, which a backend may put before it."""
    return stack.rsplit("/", 1)[-1]
