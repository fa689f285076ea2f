"""From an image reference to something this machine can run, out of the local registry only."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.spec.errors import PilotlightError


class ImageRefused(PilotlightError):
    """The image will not run here. The text becomes the reason of the unhealthy worker."""


@dataclass(frozen=True)
class UnpackedImage:
    """An image on disk. `root` is its tree (read-only), `python` the host's interpreter that runs it."""

    digest: str
    root: Path
    python: Path
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]

    def argv(self, args: str) -> list[str]:
        """`args` (one string, shell quoting) takes the place of the image's command, as on RunPod."""
        words = [*self.entrypoint, *(shlex.split(args) if args else self.command)]
        return [str(self.python), *(self.on_host(word) for word in words[1:])]

    def on_host(self, path: str) -> str:
        """An absolute path of the image as the path on this machine; anything else unchanged."""
        return str(self.root / path.lstrip("/")) if path.startswith("/") else path
