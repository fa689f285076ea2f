"""Errors in the envelope of the OCI distribution specification: `{"errors": [{"code", "message", "detail"}]}`."""

import errno
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RegistryError(Exception):
    """An answer other than success; `code` is one of the specification's."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


@web.middleware
async def envelopes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure, ours or the server's, in the envelope."""
    try:
        return await handler(request)
    except RegistryError as error:
        return _envelope(error.status, error.code, str(error), error.detail, error.headers)
    except web.HTTPRequestEntityTooLarge:
        return _envelope(413, "SIZE_INVALID", "a manifest is at most 4 MiB")
    except web.HTTPMethodNotAllowed as error:
        return _envelope(
            405,
            "UNSUPPORTED",
            f"{request.method} is not possible here",
            None,
            {"Allow": error.headers["Allow"]},
        )
    except web.HTTPNotFound:
        return _envelope(404, "NOT_FOUND", f"no such resource: {request.path}")
    except web.HTTPException:
        raise
    except OSError as error:
        log.error("%s %s: %s", request.method, request.path, error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return _envelope(507 if full else 500, "UNKNOWN", f"the registry's disk: {error.strerror}")


def _envelope(
    status: int, code: str, message: str, detail: Any = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    error = {"code": code, "message": message, **({} if detail is None else {"detail": detail})}
    return web.json_response({"errors": [error]}, status=status, headers=headers)
