"""RunPod's errors: application/problem+json with title, status, detail and, for a body that does not fit, errors."""

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

_log = logging.getLogger(__name__)


class Problem(Exception):
    """Raised anywhere below a route; `status` and `detail` are what the caller reads."""

    def __init__(
        self, status: int, detail: str, *, errors: Sequence[str] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}

    def response(self) -> web.Response:
        body: dict[str, object] = {
            "title": HTTPStatus(self.status).phrase.replace("Unprocessable Content", "Unprocessable Entity"),
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return web.Response(
            text=json.dumps(body),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


def bad_request(detail: str) -> Problem:
    return Problem(400, detail)


def not_found(what: str) -> Problem:
    return Problem(404, f"{what} not found")


def invalid(errors: Sequence[str]) -> Problem:
    return Problem(422, "Request validation failed.", errors=errors)


def method_not_allowed(allowed: Sequence[str]) -> Problem:
    detail = "The requested method is not allowed for this path."
    return Problem(405, detail, headers={"Allow": ", ".join(allowed)})


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Words every error that nobody worded: unknown paths, oversized bodies, our own mistakes (logged, not shown)."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPMethodNotAllowed as error:
        return method_not_allowed(sorted(error.allowed_methods)).response()
    except web.HTTPNotFound:
        return not_found("resource").response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return Problem(error.status, error.reason).response()
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return Problem(500, "internal error; the local cloud's log has the cause").response()
