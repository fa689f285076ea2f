"""GetObject and HeadObject."""

import asyncio
import os
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from io import BufferedReader

from aiohttp import web

from infra.localcloud.runpod.volumes.s3.body import PIECE
from infra.localcloud.runpod.volumes.s3.errors import S3Error, unsupported
from infra.localcloud.runpod.volumes.s3.files import Item, etag_of_open
from infra.localcloud.runpod.volumes.s3.request import Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


async def download(request: Request, item: Item) -> web.StreamResponse:
    """The content, or the part of it that is asked for. It is one content throughout, whatever is put meanwhile; a file
    that a worker makes shorter while it is read breaks the connection."""
    if "partNumber" in request.query:
        raise unsupported("A part of an object")
    if item.is_folder:
        return await _send(request, None, f'"{item.etag()}"', 0, item.modified)
    with item.path.open("rb") as file:
        etag = await asyncio.to_thread(etag_of_open, file)
        info = os.fstat(file.fileno())
        return await _send(request, file, f'"{etag}"', info.st_size, info.st_mtime)


async def _send(
    request: Request, file: BufferedReader | None, etag: str, size: int, modified: float
) -> web.StreamResponse:
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(datetime.fromtimestamp(int(modified), UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if not _wanted(request, etag, modified):
        return web.Response(status=304, headers={name: headers[name] for name in ("ETag", "Last-Modified")})
    first, end, status = 0, size, 200
    asked = request.http.headers.get("Range", "")
    if _RANGE.fullmatch(asked.strip()):
        found = byte_range(asked, size)
        if found is None:
            raise S3Error(
                "InvalidRange", 416, f"The requested range is not satisfiable: there are {size} bytes."
            )
        (first, end), status = found, 206
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - first)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request.http)
    if request.method == "HEAD" or file is None:
        return response
    file.seek(first)
    while first < end:
        piece = await asyncio.to_thread(file.read, min(PIECE, end - first))
        if not piece:
            raise ConnectionResetError("the file has shrunk")
        first += len(piece)
        await response.write(piece)
    await response.write_eof()
    return response


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for a range outside."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size) if length else None
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last + 1) if first <= last else None


def _wanted(request: Request, etag: str, modified: float) -> bool:
    """False: not modified. Raises S3Error 412."""
    headers = request.http.headers
    failed = S3Error(
        "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"
    )
    if "If-Match" in headers:
        if not _matches(headers["If-Match"], etag):
            raise failed
    elif (since := _date(headers.get("If-Unmodified-Since"))) is not None and int(modified) > since:
        raise failed
    if "If-None-Match" in headers:
        return not _matches(headers["If-None-Match"], etag)
    since = _date(headers.get("If-Modified-Since"))
    return since is None or int(modified) > since


def _matches(text: str, etag: str) -> bool:
    named = [part.strip() for part in text.split(",")]
    return "*" in named or etag in named or etag.strip('"') in named


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
