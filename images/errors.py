"""What this room refuses, in words a user can act on."""

from infra.spec.errors import PilotlightError


class ImageError(PilotlightError):
    """A handler directory or a template option that cannot become an image. `problems` lists every one found."""

    def __init__(self, what: str, *, wanted: str = "", fix: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(what, wanted=wanted, fix=fix)
        self.problems = problems or (what,)
