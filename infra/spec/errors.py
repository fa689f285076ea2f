"""The one error tree. A message says what is, what was wanted, and what to do."""


class PilotlightError(Exception):
    """Root of every error that a user may see.

    `what` states the fact, `wanted` what would have been right, `fix` the next step. Subclasses are defined
    where they are raised.
    """

    def __init__(self, what: str, *, wanted: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.wanted = wanted
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.what]
        if self.wanted:
            parts.append(f"Wanted: {self.wanted}")
        if self.fix:
            parts.append(f"Fix: {self.fix}")
        return "\n  ".join(parts)
