"""Image references: `host/repository[:tag][@sha256:…]`."""

import re
from dataclasses import dataclass

ALIAS = "registry.pilotlight.internal"  # the local registry's name in Pulumi state: free of ports
_REFERENCE = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(?::\d+)?)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Reference:
    """`digest` is empty where none is given; it counts more than the tag."""

    host: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def parse(text: str) -> Reference | None:
    """None when it is not a reference with a host."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return Reference(match["host"], match["repository"], match["tag"] or "latest", match["digest"] or "")
