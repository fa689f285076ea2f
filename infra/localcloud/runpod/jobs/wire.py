"""Reading requests: bodies with a limit of their own, and numbers in queries, and keys compared."""

import hmac
import json
from typing import Any

from aiohttp import web

from infra.spec.errors import PilotlightError


class TooLarge(PilotlightError):
    """The body is larger than the operation takes."""


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. The application's own limit does not count here: jobs are larger than its default."""
    declared = request.content_length
    if declared is not None and declared > limit:
        raise TooLarge(f"the body has {declared} bytes, more than the {limit} that are taken")
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body has more than the {limit} bytes that are taken")
        parts.append(chunk)
    return b"".join(parts)


def parse_json(body: bytes) -> Any:
    """Raises ValueError, also for what only Python takes for JSON (NaN) and for what is nested too deep."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def wait_seconds(request: web.Request, default_ms: int, low_ms: int = 0, high_ms: int = 300_000) -> float:
    """`?wait=` in milliseconds, kept within bounds, as seconds."""
    try:
        wanted = int(request.query.get("wait", default_ms))
    except ValueError:
        wanted = default_ms
    return min(max(wanted, low_ms), high_ms) / 1000


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that says nothing about where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
