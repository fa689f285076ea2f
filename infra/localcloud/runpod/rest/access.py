"""Who may call, and how often: what stands before every handler of the control plane."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from infra.localcloud.runpod.rest.problems import Problem, problem_middleware
from infra.localcloud.runpod.rest.ratelimit import RateLimiter

RATE_HEADERS = web.RequestKey("rate_headers", dict[str, str])


def guarded(handler: Handler, api_key: str, limiter: RateLimiter | None) -> Handler:
    """`handler` with errors as problem+json, the key checked, requests counted and the quota told in the headers."""

    async def admitted(request: web.Request) -> web.StreamResponse:
        authenticate(request, api_key)
        request[RATE_HEADERS] = limiter.take() if limiter else {}
        return await handler(request)

    async def guard(request: web.Request) -> web.StreamResponse:
        response = await problem_middleware(request, admitted)
        if not response.prepared:
            response.headers.update(request.get(RATE_HEADERS, {}))
        return response

    return guard


def authenticate(request: web.Request, api_key: str) -> None:
    """Raises Problem 401. Never says anything of the key that was sent."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    check_key(key.strip() if scheme.lower() == "bearer" else "", api_key)


def check_key(given: str, api_key: str) -> None:
    if not given:
        raise _unauthorized("missing bearer token")
    if given.startswith("rpa_"):
        raise _unauthorized(
            "this is the local cloud and the key looks like a real RunPod API key, which must not be sent here; "
            "take the key of this cloud from `pilotlight cloud env`"
        )
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise _unauthorized("invalid API key; the key of this local cloud is in `pilotlight cloud env`")


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
