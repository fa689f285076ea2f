"""Operations on objects."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from urllib.parse import unquote

from aiohttp import web

from infra.localcloud.core.clock import Clock
from infra.localcloud.runpod.volumes.s3 import body, limits
from infra.localcloud.runpod.volumes.s3.buckets import OWNER, moment, xml
from infra.localcloud.runpod.volumes.s3.download import byte_range, download
from infra.localcloud.runpod.volumes.s3.errors import S3Error, bad_request, unsupported
from infra.localcloud.runpod.volumes.s3.files import Files, Item, store
from infra.localcloud.runpod.volumes.s3.multipart import Uploads
from infra.localcloud.runpod.volumes.s3.request import Request
from infra.localcloud.runpod.volumes.s3.xml import parts_of

_COPY = "x-amz-copy-source"


class Objects:
    """`find` gives the volume of an id in a region, or raises S3Error."""

    def __init__(self, clock: Clock, find: Callable[[str, str], Files]) -> None:
        self._clock, self._find = clock, find

    async def answer(self, request: Request, files: Files) -> web.StreamResponse:
        method, query = request.method, request.query
        if "uploadId" in query:
            return await self._of_upload(request, files, query["uploadId"])
        if method == "POST" and "uploads" in query:
            upload_id = Uploads(files).create(request.key, self._clock.now())
            answer = {"Bucket": request.bucket, "Key": request.key, "UploadId": upload_id}
            return xml("InitiateMultipartUploadResult", answer)
        if method in ("GET", "HEAD"):
            return await download(request, await asyncio.to_thread(files.find, request.key))
        if method == "DELETE":
            await asyncio.to_thread(files.delete, request.key)
            return web.Response(status=204)
        if method != "PUT":
            raise unsupported(f"{method} of an object")
        if _COPY in request.http.headers:
            return await self._copy(request, files)
        return await self._put(request, files)

    async def _put(self, request: Request, files: Files) -> web.Response:
        _refuse_conditions(request)
        pieces = body.read(request.http, request.signed, limits.load().put_bytes, inclusive=False)
        if request.key.endswith("/"):
            if body.declared_size(request.http, request.signed):
                raise bad_request("A key that ends with '/' is a directory of the volume: it has no content")
            async for _ in pieces:
                pass
            files.make_folder(request.key)
            return web.Response(headers={"ETag": f'"{files.find(request.key).etag()}"'})
        files.place(request.key)
        with files.scratch() as (scratch, file):
            etag = await store(pieces, file)
            files.keep(scratch, request.key)
        return web.Response(headers={"ETag": f'"{etag}"'})

    async def _copy(self, request: Request, files: Files) -> web.Response:
        source = self._source(request)
        if request.key.endswith("/"):
            files.make_folder(request.key)
            etag = files.find(request.key).etag()
        else:
            files.place(request.key)
            with files.scratch() as (scratch, file):
                etag = await store(_pieces(source), file)
                files.keep(scratch, request.key)
        return xml("CopyObjectResult", {"ETag": f'"{etag}"', "LastModified": moment(self._clock.now())})

    async def _of_upload(self, request: Request, files: Files, upload_id: str) -> web.Response:
        uploads, key = Uploads(files), request.key
        uploads.folder(key, upload_id)
        if request.method == "PUT":
            return await self._put_part(request, files, uploads, upload_id)
        if request.method == "DELETE":
            await asyncio.to_thread(uploads.abort, key, upload_id)
            return web.Response(status=204)
        if request.method == "GET":
            return await asyncio.to_thread(_list_parts, request, uploads, upload_id)
        if request.method != "POST":
            raise unsupported(f"{request.method} of an upload")
        pieces = [piece async for piece in body.read(request.http, request.signed, 2 << 20)]
        try:
            wanted = parts_of(b"".join(pieces))
        except ValueError as error:
            raise S3Error(
                "MalformedXML", 400, f"The XML you provided was not well-formed: {error}"
            ) from error
        etag = await asyncio.to_thread(uploads.complete, key, upload_id, wanted)
        location = f"http://{request.http.host}{request.http.raw_path.partition('?')[0]}"
        answer = {"Location": location, "Bucket": request.bucket, "Key": key, "ETag": f'"{etag}"'}
        return xml("CompleteMultipartUploadResult", answer)

    async def _put_part(
        self, request: Request, files: Files, uploads: Uploads, upload_id: str
    ) -> web.Response:
        text, most = request.query.get("partNumber", ""), limits.load().parts
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise bad_request(f"Part number must be an integer between 1 and {most}, inclusive")
        copied = _COPY in request.http.headers
        if copied:
            source = self._source(request)
            pieces = _pieces(source, request.http.headers.get("x-amz-copy-source-range"))
        else:
            pieces = body.read(request.http, request.signed, limits.load().part_bytes)
        with files.scratch() as (scratch, file):
            etag = await store(pieces, file)
            uploads.keep(scratch, request.key, upload_id, int(text))
        if copied:
            return xml("CopyPartResult", {"ETag": f'"{etag}"', "LastModified": moment(self._clock.now())})
        return web.Response(headers={"ETag": f'"{etag}"'})

    def _source(self, request: Request) -> Item:
        _refuse_conditions(request)
        text = unquote(request.http.headers[_COPY].partition("?")[0]).removeprefix("/")
        bucket, _, key = text.partition("/")
        if not bucket or not key:
            raise bad_request("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        source = self._find(bucket, request.signed.region).find(key)
        wanted = request.http.headers.get(f"{_COPY}-if-match")
        if wanted is not None and wanted.strip('"') != source.etag():
            raise S3Error(
                "PreconditionFailed", 412, "The source is another than x-amz-copy-source-if-match says"
            )
        return source


def _refuse_conditions(request: Request) -> None:
    """Of writes; better refused than not kept."""
    for header in map(str.lower, request.http.headers):
        other = header.startswith(f"{_COPY}-if") and header != f"{_COPY}-if-match"
        if other or header in ("if-match", "if-none-match"):
            raise unsupported(f"The condition {header}")


async def _pieces(item: Item, span: str | None = None) -> AsyncIterator[bytes]:
    if item.is_folder:
        return
    with item.path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = (0, size) if span is None else byte_range(span, size)
        if found is None:
            raise bad_request("x-amz-copy-source-range must be bytes=first-last, within the source")
        first, end = found
        file.seek(first)
        while first < end:
            piece = await asyncio.to_thread(file.read, min(body.PIECE, end - first))
            if not piece:
                raise S3Error("InternalError", 500, "The source has become shorter while it was copied.")
            first += len(piece)
            yield piece


def _list_parts(request: Request, uploads: Uploads, upload_id: str) -> web.Response:
    most = limits.load().page
    texts = [
        request.query.get(name) or default
        for name, default in (("max-parts", "1000"), ("part-number-marker", "0"))
    ]
    if not all(text.isascii() and text.isdigit() and len(text) < 9 for text in texts):
        raise bad_request("max-parts and part-number-marker must be whole numbers")
    limit, mark = min(int(texts[0]), most), int(texts[1])
    left = [part for part in uploads.parts(request.key, upload_id) if part.number > mark]
    shown = left[:limit]
    content = {
        "Bucket": request.bucket,
        "Key": request.key,
        "UploadId": upload_id,
        "Initiator": OWNER,
        "Owner": OWNER,
        "StorageClass": "STANDARD",
        "PartNumberMarker": mark,
        "NextPartNumberMarker": shown[-1].number if shown else None,
        "MaxParts": limit,
        "IsTruncated": len(left) > len(shown),
        "Part": [
            {
                "PartNumber": part.number,
                "LastModified": moment(part.modified),
                "ETag": f'"{part.etag}"',
                "Size": part.size,
            }
            for part in shown
        ],
    }
    return xml("ListPartsResult", content)
