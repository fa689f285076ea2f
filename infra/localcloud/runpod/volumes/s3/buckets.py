"""Operations on volumes as buckets: list them, list what is in one."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from infra.localcloud.runpod.volumes.directories import VolumeDirectories
from infra.localcloud.runpod.volumes.s3 import limits
from infra.localcloud.runpod.volumes.s3.errors import S3Error, bad_request, unsupported
from infra.localcloud.runpod.volumes.s3.files import Files, Item
from infra.localcloud.runpod.volumes.s3.listing import Page, page
from infra.localcloud.runpod.volumes.s3.multipart import Uploads
from infra.localcloud.runpod.volumes.s3.request import Request
from infra.localcloud.runpod.volumes.s3.xml import document

OWNER = {"ID": "pilotlight", "DisplayName": "pilotlight"}


class Buckets:
    def __init__(self, volumes: VolumeDirectories, data_center: Callable[[str], str | None]) -> None:
        self._volumes, self._data_center = volumes, data_center

    def list(self, request: Request) -> web.Response:
        """ListBuckets: those of the data center that is asked for."""
        if request.method != "GET":
            raise unsupported(f"{request.method} without a bucket")
        found = []
        for volume_id in self._volumes.ids():
            if self._data_center(volume_id) in (None, request.signed.region):
                created = self._volumes.path(volume_id).stat().st_mtime
                found.append({"Name": volume_id, "CreationDate": moment(created)})
        return xml("ListAllMyBucketsResult", {"Owner": OWNER, "Buckets": {"Bucket": found}})

    async def answer(self, request: Request, files: Files) -> web.Response:
        if request.method == "HEAD":
            return web.Response(headers={"x-amz-bucket-region": request.signed.region})
        if request.method != "GET":
            raise unsupported(f"{request.method} of a bucket")
        if "uploads" in request.query:
            return await asyncio.to_thread(_list_uploads, request, files)
        return await asyncio.to_thread(_list_objects, request, files)


def _list_objects(request: Request, files: Files) -> web.Response:
    """ListObjects and ListObjectsV2."""
    query = request.query
    second = query.get("list-type") == "2"
    if "list-type" in query and not second:
        raise bad_request("list-type can only be 2")
    encode = _encoder(query)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = min(_whole(query, "max-keys", limits.load().page), limits.load().page)
    token = query.get("continuation-token")
    after = query.get("start-after" if second else "marker", "")
    if second and token is not None:
        after = _from_token(token)
    found = page(files, prefix, delimiter, after, limit) if limit else Page()
    with_owner = not second or query.get("fetch-owner") == "true"
    contents = [_content(item, encode, with_owner) for item in found.items]
    content: dict[str, Any] = {
        "Name": request.bucket,
        "Prefix": encode(prefix),
        "Delimiter": encode(delimiter) if delimiter else None,
        "MaxKeys": limit,
        "EncodingType": query.get("encoding-type"),
        "IsTruncated": bool(found.last),
    }
    if second:
        content |= {
            "KeyCount": len(found.items) + len(found.prefixes),
            "StartAfter": encode(query["start-after"]) if "start-after" in query else None,
            "ContinuationToken": token,
            "NextContinuationToken": _to_token(found.last) if found.last else None,
        }
    else:
        content |= {
            "Marker": encode(query.get("marker", "")),
            "NextMarker": encode(found.last) if found.last and delimiter else None,
        }
    content |= {
        "Contents": contents,
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in found.prefixes],
    }
    return xml("ListBucketResult", content)


def _list_uploads(request: Request, files: Files) -> web.Response:
    query = request.query
    encode = _encoder(query)
    limit = min(_whole(query, "max-uploads", limits.load().page), limits.load().page)
    mark = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
    uploads = [
        upload
        for upload in Uploads(files).all()
        if upload.key.startswith(query.get("prefix", "")) and (upload.key, upload.id) > mark
    ]
    shown = sorted(uploads, key=lambda upload: (upload.key, upload.id))[:limit]
    more = len(uploads) > len(shown)
    content = {
        "Bucket": request.bucket,
        "KeyMarker": encode(mark[0]),
        "UploadIdMarker": mark[1],
        "NextKeyMarker": encode(shown[-1].key) if more and shown else None,
        "NextUploadIdMarker": shown[-1].id if more and shown else None,
        "EncodingType": query.get("encoding-type"),
        "MaxUploads": limit,
        "IsTruncated": more,
        "Upload": [
            {
                "Key": encode(upload.key),
                "UploadId": upload.id,
                "Initiator": OWNER,
                "Owner": OWNER,
                "StorageClass": "STANDARD",
                "Initiated": moment(upload.initiated),
            }
            for upload in shown
        ],
    }
    return xml("ListMultipartUploadsResult", content)


def _content(item: Item, encode: Callable[[str], str], with_owner: bool) -> dict[str, Any]:
    try:
        etag = f'"{item.etag()}"'
    except OSError:
        etag = ""  # it went while we looked
    return {
        "Key": encode(item.key),
        "LastModified": moment(item.modified),
        "ETag": etag,
        "Size": item.size,
        "StorageClass": "STANDARD",
        "Owner": OWNER if with_owner else None,
    }


def moment(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def xml(root: str, content: dict[str, Any]) -> web.Response:
    return web.Response(body=document(root, content), content_type="application/xml")


def _encoder(query: dict[str, str]) -> Callable[[str], str]:
    kind = query.get("encoding-type")
    if kind not in (None, "url"):
        raise bad_request("encoding-type can only be url")
    if kind is None:
        return lambda text: text
    return lambda text: quote(text, safe="/-_.~*", errors="surrogateescape")


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise bad_request(f"{name} must be a whole number")
    return int(text)


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("utf-8", "surrogateescape")).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise S3Error("InvalidArgument", 400, "The continuation token provided is incorrect") from error
