"""From the bytes of a request to a value that fits a rule."""

from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest.problems import bad_request, invalid
from infra.localcloud.runpod.rest.schema import Rule, parse


def read(body: bytes, rule: Rule) -> dict[str, Any]:
    """Raises Problem 400 (not JSON) or 422 (does not fit)."""
    if not body.strip():
        raise bad_request("request body is required")
    try:
        value = parse(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"request body is not valid JSON: {error}") from error
    failures = rule(value, "$")
    if failures:
        raise invalid(failures)
    return dict(value)


async def read_request(request: web.Request, rule: Rule) -> dict[str, Any]:
    return read(await request.read(), rule)
