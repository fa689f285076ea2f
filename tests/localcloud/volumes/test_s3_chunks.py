"""Bodies whose chunks are signed one after the other, as other SDKs than boto3 send them."""

import base64
import hashlib
import hmac
import zlib
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.localcloud.volumes.conftest import ACCESS, SECRET, Server
from tests.localcloud.volumes.test_s3_refusals import plain

CONTENT = [b"a" * 70_000, b"b" * 70_000, b"c"]


class ChunkedAuth(S3SigV4Auth):
    """Signs the head of a request; the chunks are the test's."""

    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

    def payload(self, request: Any) -> str:
        return self.kind


class TrailerAuth(ChunkedAuth):
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


def put(server: Server, auth: type[ChunkedAuth], damage: str = "") -> tuple[int, bytes]:
    length = sum(map(len, CONTENT))
    request = AWSRequest("PUT", f"{server.url}/vol-ro/x", data=b"")
    request.headers["x-amz-decoded-content-length"] = str(length + (1 if damage == "length" else 0))
    trailer = auth is TrailerAuth
    if trailer:
        request.headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    signer = auth(Credentials(ACCESS, SECRET), "s3", "EU-RO-1")
    signer.add_auth(request)
    moment = request.headers["X-Amz-Date"]
    signature = request.headers["Authorization"].rpartition("Signature=")[2]
    key = f"AWS4{SECRET}".encode()
    for part in (moment[:8], "EU-RO-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    scope = f"{moment[:8]}/EU-RO-1/s3/aws4_request"

    def sign(kind: str, *hashes: str) -> str:
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", moment, scope, signature, *hashes))
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    body = b""
    for number, chunk in enumerate([*CONTENT, b""]):
        signature = sign("PAYLOAD", hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest())
        sent = b"x" + chunk[1:] if damage == "chunk" and number == 1 else chunk
        body += f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + sent
        body += b"\r\n" if chunk or not trailer else b""
    if trailer:
        crc = zlib.crc32(b"".join(CONTENT)) ^ (damage == "sum")
        line = f"x-amz-checksum-crc32:{base64.b64encode(crc.to_bytes(4)).decode()}"
        signature = sign("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        if damage == "trailer":
            signature = signature[::-1]
        body += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    if damage == "order":
        first, second = f"{len(CONTENT[0]):x};".encode(), CONTENT[0][:1] * len(CONTENT[0])
        body = body.replace(first + body[len(first) : body.index(b"\r\n")], b"", 1).replace(second, b"", 1)
    if damage == "end":
        body = body[: len(body) // 2]
    return plain(server, "PUT", "/vol-ro/x", dict(request.headers), body)


@pytest.mark.parametrize("auth", [ChunkedAuth, TrailerAuth])
def test_signed_chunks(server: Server, root: Path, auth: type[ChunkedAuth]) -> None:
    status, answer = put(server, auth)
    assert status == 200, answer
    assert (root / "x").read_bytes() == b"".join(CONTENT)


@pytest.mark.parametrize(
    ("damage", "auth", "code"),
    [
        ("chunk", ChunkedAuth, b"SignatureDoesNotMatch"),
        ("chunk", TrailerAuth, b"SignatureDoesNotMatch"),
        ("trailer", TrailerAuth, b"SignatureDoesNotMatch"),
        ("sum", TrailerAuth, b"BadDigest"),
        ("length", ChunkedAuth, b"IncompleteBody"),
        ("order", ChunkedAuth, b""),
        ("end", ChunkedAuth, b"IncompleteBody"),
    ],
)
def test_damaged_chunks_leave_nothing(
    server: Server, root: Path, damage: str, auth: type[ChunkedAuth], code: bytes
) -> None:
    status, answer = put(server, auth, damage)
    assert status in (400, 403)
    assert code in answer
    assert not (root / "x").exists()
