"""Image references: `host/repository:tag@sha256:…`, with Docker Hub's short forms."""

import re
from typing import NamedTuple

from infra.spec.errors import PilotlightError

HUB = "docker.io"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BadReference(PilotlightError):
    """Not the name of an image."""


class Reference(NamedTuple):
    """Where an image is. At least one of `tag` and `digest` is set; the digest counts."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def selector(self) -> str:
        return self.digest or self.tag or "latest"

    @property
    def pinned(self) -> bool:
        return self.digest is not None


def parse(text: str) -> Reference:
    """Raises `BadReference`."""
    rest, at, digest = text.partition("@")
    first, slash, tail = rest.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, tail) if is_host else (HUB, rest)
    repository, colon, tag = path.partition(":")
    if host == HUB and "/" not in repository:
        repository = f"library/{repository}"
    sound = (
        valid_repository(repository)
        and (not colon or _TAG.fullmatch(tag))
        and (not at or _DIGEST.fullmatch(digest))
    )
    if not sound:
        raise BadReference(
            f"{text!r} is not an image reference",
            wanted="host/repository:tag or host/repository@sha256:<64 hex digits>",
        )
    return Reference(host, repository, tag or (None if at else "latest"), digest or None)


def valid_repository(name: str) -> bool:
    return len(name) <= 255 and _REPOSITORY.fullmatch(name) is not None


def api_url(host: str) -> str:
    """The base URL of a registry's API; plain HTTP on this machine only."""
    if host in (HUB, "index.docker.io"):
        return "https://registry-1.docker.io"
    name = host.partition(":")[0]
    return f"{'http' if name in ('127.0.0.1', 'localhost') else 'https'}://{host}"
