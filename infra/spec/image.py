"""What goes into the image a worker runs."""

from typing import Self

import pydantic

from infra.spec.base import Spec


class ImageSpec(Spec):
    """A handler directory and the packages it needs; rendered for each cloud from this one declaration."""

    handler: str
    """Directory with `model.py` and its class `Model`, relative to the project."""
    entry: str | None = None
    """The handler's file, where it is not model.py: several handlers may share a directory."""
    requirements: list[str] | str | None = None
    """Pinned requirements, or the path of a requirements file; default: `requirements.txt` in the handler's directory."""
    python: str | None = None
    """Minor version such as "3.11"; default: the version that runs the program."""
    base: str | None = None
    """Base image on real clouds, pinned by digest or tag; the local cloud needs none."""
    env: dict[str, str] = {}
    prebuilt: bool = False
    """Whether a cloud that builds images by itself (Modal) takes the one that is built and pushed, pinned by digest."""
    repository: str | None = None
    """Repository in the registry; made from the resource's name when unset."""

    @pydantic.model_validator(mode="after")
    def _minor(self) -> Self:
        if self.python is not None and not _is_minor(self.python):
            raise ValueError(f'python is {self.python!r}. Wanted: a minor version such as "3.11"')
        return self


def _is_minor(text: str) -> bool:
    major, dot, minor = text.partition(".")
    return bool(dot) and major == "3" and minor.isdigit()
