"""The body of a request as it streams in: decoded, and checked against everything that the client said of it."""

import asyncio
import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import AsyncIterator, Callable
from typing import ClassVar, Protocol

from aiohttp import StreamReader, web

from infra.localcloud.runpod.volumes.s3.errors import S3Error, bad_request, too_large, unsupported
from infra.localcloud.runpod.volumes.s3.sign import Signed

PIECE = 1 << 20
_SIGNED = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
_CHUNKED = (*_SIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,9})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")
_NOTHING = hashlib.sha256().hexdigest()


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4)


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def declared_size(request: web.Request, signed: Signed) -> int:
    """Bytes of content. S3 takes no body of unknown length."""
    chunked = signed.payload in _CHUNKED
    text = request.headers.get("x-amz-decoded-content-length" if chunked else "Content-Length", "")
    if not text.isascii() or not text.isdigit():
        raise S3Error("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
    return int(text)


async def read(
    request: web.Request, signed: Signed, limit: int, *, inclusive: bool = True
) -> AsyncIterator[bytes]:
    """The content, piece by piece; what is wrong with it is raised at the latest after the last. Raises S3Error."""
    size = declared_size(request, signed)
    if size > limit or (size == limit and not inclusive):
        raise too_large(size, limit, "up to" if inclusive else "less than")
    if signed.payload.startswith("STREAMING-") and signed.payload not in _CHUNKED:
        raise unsupported(f"The payload signature {signed.payload}")
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    sums, trailer = _Sums(request, signed), dict[str, str]()
    received = 0
    chunked = signed.payload in _CHUNKED
    pieces = _decode(request.content, signed, trailer) if chunked else _plain(request.content)
    try:
        async for piece in pieces:
            received += len(piece)
            if received > size:
                raise S3Error("IncompleteBody", 400, f"More came than the {size} bytes of the length.")
            sums.update(piece)
            yield piece
    except (asyncio.IncompleteReadError, ValueError, web.RequestPayloadError) as error:
        raise S3Error(
            "IncompleteBody", 400, "The body ended before it was complete, or is not aws-chunked."
        ) from error
    if received < size:
        raise S3Error("IncompleteBody", 400, f"Only {received} of {size} bytes came.")
    sums.check(trailer)


async def _plain(content: StreamReader) -> AsyncIterator[bytes]:
    async for piece in content.iter_chunked(PIECE):
        yield piece


async def _decode(content: StreamReader, signed: Signed, trailer: dict[str, str]) -> AsyncIterator[bytes]:
    """aws-chunked: sizes in hex, each chunk signed after the one before it, and sums of it all behind the last."""
    signature = signed.signature
    while True:
        match = _CHUNK.fullmatch(await content.readuntil(b"\r\n"))
        if match is None:
            raise ValueError("no chunk")
        left = int(match[1], 16)
        last = left == 0
        digest = hashlib.sha256()
        while left:
            piece = await content.readexactly(min(left, PIECE))
            left -= len(piece)
            digest.update(piece)
            yield piece
        if signed.payload in _SIGNED:
            signature = signed.chain("PAYLOAD", signature, _NOTHING, digest.hexdigest())
            _same(signature, (match[2] or b"").decode(), "chunk")
        if last:
            break
        if await content.readexactly(2) != b"\r\n":
            raise ValueError("no end of a chunk")
    lines = []
    while line := (await content.readuntil(b"\r\n")).strip():
        name, _, value = line.decode("ascii").partition(":")
        trailer[name.strip().lower()] = value.strip()
        lines.append(line)
    if signed.payload.endswith("HMAC-SHA256-PAYLOAD-TRAILER"):
        told = b"".join(line + b"\n" for line in lines if not line.startswith(b"x-amz-trailer-signature"))
        expected = signed.chain("TRAILER", signature, hashlib.sha256(told).hexdigest())
        _same(expected, trailer.get("x-amz-trailer-signature", ""), "trailer")


def _same(expected: str, given: str, what: str) -> None:
    if not hmac.compare_digest(expected, given):
        raise S3Error("SignatureDoesNotMatch", 403, f"The signature of a {what} of the body does not match.")


class _Sums:
    """CRC32C and CRC64NVME, which the standard library does not compute, are taken unseen."""

    _KINDS: ClassVar[dict[str, Callable[[], _Sum]]] = {
        "crc32": _Crc32,
        "sha1": hashlib.sha1,
        "sha256": hashlib.sha256,
    }

    def __init__(self, request: web.Request, signed: Signed) -> None:
        self._headers = request.headers
        self._payload = signed.payload
        named = f"{request.headers.get('x-amz-trailer', '')},{','.join(request.headers)}".lower()
        self._sums: dict[str, _Sum] = {}
        for kind, make in self._KINDS.items():
            if f"x-amz-checksum-{kind}" in named.replace(" ", "").split(","):
                self._sums[kind] = make()
        self._md5 = hashlib.md5(usedforsecurity=False) if "Content-MD5" in request.headers else None
        hashed = len(signed.payload) == 64
        self._sha256 = hashlib.sha256() if hashed else None
        if not (hashed or signed.payload in ("UNSIGNED-PAYLOAD", *_CHUNKED)):
            raise bad_request("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a streaming one, or a SHA-256")

    def update(self, piece: bytes) -> None:
        for sum in (*self._sums.values(), self._md5, self._sha256):
            if sum is not None:
                sum.update(piece)

    def check(self, trailer: dict[str, str]) -> None:
        if self._sha256 is not None and self._sha256.hexdigest() != self._payload:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                400,
                "The provided 'x-amz-content-sha256' does not match what was computed.",
            )
        if self._md5 is not None and self._headers["Content-MD5"] != _base64(self._md5):
            raise S3Error("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
        for kind, sum in self._sums.items():
            name = f"x-amz-checksum-{kind}"
            if self._headers.get(name, trailer.get(name, "")) != _base64(sum):
                raise S3Error(
                    "BadDigest", 400, f"The {kind.upper()} you specified did not match the calculated one."
                )


def _base64(sum: _Sum) -> str:
    return base64.b64encode(sum.digest()).decode()
