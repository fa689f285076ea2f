"""The S3 API as an aiohttp application: which operation a request is, and who may ask for it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from aiohttp import web
from aiohttp.typedefs import Middleware

from infra.localcloud.core.clock import Clock
from infra.localcloud.runpod.volumes.directories import VolumeDirectories
from infra.localcloud.runpod.volumes.s3.buckets import Buckets
from infra.localcloud.runpod.volumes.s3.errors import (
    S3Error,
    error_response,
    no_such_bucket,
    of_the_system,
    unsupported,
)
from infra.localcloud.runpod.volumes.s3.files import Files
from infra.localcloud.runpod.volumes.s3.objects import Objects
from infra.localcloud.runpod.volumes.s3.request import Request, check_refused
from infra.localcloud.runpod.volumes.s3.sign import verify

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str


def s3_site(
    volumes: VolumeDirectories,
    data_center: Callable[[str], str | None],
    credentials: Credentials,
    clock: Clock,
    middlewares: Sequence[Middleware] = (),
) -> web.Application:
    """`data_center` tells where a volume is; None: it may be in any."""
    for volume_id in volumes.ids():
        Files(volumes.path(volume_id)).forget_scratch()
    api = _Api(volumes, data_center, credentials, clock)
    app = web.Application(middlewares=middlewares, client_max_size=4 << 20)
    app.router.add_route("*", r"/{path:[\s\S]*}", api.handle, expect_handler=_wait_with_the_body)
    return app


async def _wait_with_the_body(request: web.Request) -> None:
    """Whoever reads the body asks for it, once it is known that it is wanted."""


class _Api:
    def __init__(
        self,
        volumes: VolumeDirectories,
        data_center: Callable[[str], str | None],
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._volumes, self._data_center, self._clock = volumes, data_center, clock
        self._credentials = (credentials.access_key_id, credentials.secret_access_key)
        self._buckets = Buckets(volumes, data_center)
        self._objects = Objects(clock, self._files)

    async def handle(self, http: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(http)
        except S3Error as error:
            return error_response(error, http.path)
        except ConnectionError:
            raise
        except OSError as error:
            known = of_the_system(error)
            if known.status == 500:
                _log.exception("S3 API: %s %s", http.method, http.path)
            return error_response(known, http.path)
        except Exception:
            _log.exception("S3 API: %s %s", http.method, http.path)
            return error_response(
                S3Error("InternalError", 500, "We encountered an internal error."), http.path
            )

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        raw_path, _, raw_query = http.raw_path.partition("?")
        try:
            path = unquote_to_bytes(raw_path).decode()
            query = parse_qsl(raw_query, keep_blank_values=True, errors="strict")
        except ValueError as error:
            raise S3Error("InvalidURI", 400, "Couldn't parse the specified URI.") from error
        if not path.startswith("/"):
            raise S3Error("InvalidURI", 400, "The URI must be a path: /volume/key.")
        bucket, _, key = path[1:].partition("/")
        names = {name for name, _ in query}
        if names & {"X-Amz-Signature", "X-Amz-Algorithm", "Signature"}:
            raise unsupported("A presigned URL")
        signed = verify(
            http.method, raw_path, path, query, http.headers, self._credentials, self._clock.now()
        )
        request = Request(http, signed, bucket, key, dict(query))
        check_refused(request)
        if not bucket:
            return self._buckets.list(request)
        files = self._files(bucket, signed.region)
        if not key:
            return await self._buckets.answer(request, files)
        return await self._objects.answer(request, files)

    def _files(self, volume_id: str, region: str) -> Files:
        try:
            files = Files(self._volumes.path(volume_id))
        except KeyError:
            raise no_such_bucket(volume_id) from None
        place = self._data_center(volume_id)
        if place is not None and region != place:
            raise S3Error(
                "AuthorizationHeaderMalformed",
                400,
                f"The region {region!r} is wrong; network volume {volume_id} is in the data center {place!r}, "
                "whose S3 API has that name (in capitals) as its region.",
            )
        return files
