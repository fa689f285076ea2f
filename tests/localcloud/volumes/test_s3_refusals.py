"""Who may not, what RunPod does not have, what is too much, and what is no path."""

import http.client
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from infra.localcloud.runpod.volumes.s3 import limits
from infra.localcloud.runpod.volumes.s3.limits import HIDDEN
from tests.localcloud.volumes.conftest import ACCESS, SECRET, Server, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "vol-ro"
ONE: dict[str, Any] = {"Bucket": BUCKET}
KEY: dict[str, Any] = {"Bucket": BUCKET, "Key": "x"}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("delete_objects", ONE | {"Delete": {"Objects": [{"Key": "x"}]}}, "DeleteObjects"),
    ("create_bucket", {"Bucket": "vol-new"}, "CreateBucket"),
    ("delete_bucket", ONE, "DeleteBucket"),
    ("get_bucket_location", ONE, "GetBucketLocation"),
    ("get_bucket_versioning", ONE, "Versioning"),
    ("list_object_versions", ONE, "ListObjectVersions"),
    ("get_bucket_acl", ONE, "An ACL"),
    ("get_object_acl", KEY, "An ACL"),
    ("get_bucket_policy", ONE, "A bucket policy"),
    ("get_object_tagging", KEY, "Tagging"),
    ("get_bucket_encryption", ONE, "Encryption"),
    ("get_object_attributes", KEY | {"ObjectAttributes": ["ETag"]}, "GetObjectAttributes"),
    ("get_object", KEY | {"VersionId": "1"}, "A version of an object"),
    ("get_object", KEY | {"PartNumber": 1}, "A part of an object"),
    ("put_object", KEY | {"ACL": "public-read"}, "An ACL"),
    ("put_object", KEY | {"Tagging": "a=b"}, "Tagging"),
    ("put_object", KEY | {"ServerSideEncryption": "AES256"}, "Encryption"),
    ("put_object", KEY | {"IfNoneMatch": "*"}, "The condition if-none-match"),
]


@pytest.mark.parametrize(("call", "arguments", "what"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_runpod_does_not_have(s3: "S3Client", call: str, arguments: dict[str, Any], what: str) -> None:
    s3.put_object(**KEY, Body=b"x")
    status, code, message = refused(getattr(s3, call), **arguments)
    assert (status, code) == (501, "NotImplemented")
    assert message.startswith(what), message
    assert s3.get_object(**KEY)["Body"].read() == b"x"


def test_no_presigned_address(s3: "S3Client", server: Server) -> None:
    s3.put_object(**KEY, Body=b"x")
    url = s3.generate_presigned_url("get_object", Params=KEY)
    status, body = plain(server, "GET", url.removeprefix(server.url))
    assert status == 501
    assert b"A presigned URL is not supported" in body


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"access": "local_apikey"}, 403, "InvalidAccessKeyId"),
        ({"secret": "rps_other"}, 403, "SignatureDoesNotMatch"),
        ({"region": "US-KS-2"}, 400, "AuthorizationHeaderMalformed"),
        ({"region": "eu-ro-1"}, 400, "AuthorizationHeaderMalformed"),
        ({"region": "us-east-1"}, 400, "AuthorizationHeaderMalformed"),
    ],
)
def test_who_may_not(server: Server, change: dict[str, str], status: int, code: str) -> None:
    client = server.client(**change)
    assert refused(client.put_object, **KEY, Body=b"x")[:2] == (status, code)
    assert refused(client.list_objects_v2, **ONE)[:2] == (status, code)


def test_clocks_may_differ_by_an_hour(s3: "S3Client", server: Server) -> None:
    for ahead in (3500, -3500):
        server.clock.ahead = ahead
        s3.put_object(**KEY, Body=b"x")
    for ahead in (3700, -3700):
        server.clock.ahead = ahead
        assert refused(s3.put_object, **KEY, Body=b"x")[:2] == (403, "RequestTimeTooSkewed")


def test_nothing_without_a_signature(server: Server) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", f"/{BUCKET}"),
        ("PUT", f"/{BUCKET}/x"),
        ("DELETE", f"/{BUCKET}/x"),
    ):
        status, body = plain(server, method, path)
        assert status == 403
        assert b"<Code>AccessDenied</Code>" in body
    status, body = plain(server, "GET", f"/{BUCKET}", {"Authorization": "Bearer local_key"})
    assert status == 400


def test_a_signature_is_for_one_request(server: Server) -> None:
    signed = sign(server, "PUT", f"/{BUCKET}/x", b"content")
    assert plain(server, "PUT", f"/{BUCKET}/y", signed, b"content")[0] == 403
    assert plain(server, "DELETE", f"/{BUCKET}/x", signed)[0] == 403
    assert plain(server, "PUT", f"/{BUCKET}/x?partNumber=1", signed, b"content")[0] == 403
    assert plain(server, "PUT", f"/{BUCKET}/x", signed | {"x-amz-acl": "private"}, b"content")[0] == 403
    status, body = plain(server, "PUT", f"/{BUCKET}/x", signed, b"CONTENT")
    assert (status, b"XAmzContentSHA256Mismatch" in body) == (400, True)
    assert plain(server, "PUT", f"/{BUCKET}/x", signed, b"content")[0] == 200


@pytest.mark.parametrize(
    "key",
    ["../vol-other/x", "..", ".", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a\0b", "//", "..%2fx/../y"],
)
def test_a_key_names_nothing_outside(server: Server, root: Path, key: str) -> None:
    from urllib.parse import quote

    path = f"/{BUCKET}/{quote(key, safe='/')}"
    for method in ("PUT", "GET", "HEAD", "DELETE"):
        status, body = plain(server, method, path, sign(server, method, path, b""), b"")
        assert status == 400, (method, body)
    for path in (
        f"/{BUCKET}/../vol-other/x",
        "/../x",
        f"/{BUCKET}/%2e%2e/vol-other/x",
        "/%2e%2e/x",
        "/.deleted/x",
    ):
        status, _ = plain(server, "PUT", path, sign(server, "PUT", path, b""), b"")
        assert status in (400, 403, 404), path
    assert list(root.iterdir()) == []
    assert list(server.volumes.path("vol-other").iterdir()) == []


def test_the_hidden_directory_is_not_reached(s3: "S3Client", root: Path) -> None:
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    s3.upload_part(**KEY, UploadId=upload, PartNumber=1, Body=b"part")
    inside = f"{HIDDEN}/{upload}/00001"
    assert (root / inside).read_bytes() == b"part", "workers do see it, as on RunPod"
    assert refused(s3.get_object, Bucket=BUCKET, Key=inside)[1] == "NoSuchKey"
    assert refused(s3.put_object, Bucket=BUCKET, Key=f"{HIDDEN}/x", Body=b"x")[1] == "AccessDenied"
    assert refused(s3.delete_object, Bucket=BUCKET, Key=inside)[1] == "AccessDenied"
    assert "Contents" not in s3.list_objects_v2(**ONE)


def test_a_worker_cannot_lead_uploads_elsewhere(s3: "S3Client", root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    (root / HIDDEN / upload / "00001").symlink_to(tmp_path / "secret")
    assert "Parts" not in s3.list_parts(**KEY, UploadId=upload)
    (root / HIDDEN).rename(tmp_path / "moved")
    (root / HIDDEN).symlink_to(tmp_path / "moved")
    assert refused(s3.put_object, **KEY, Body=b"x")[:2] == (403, "AccessDenied")
    assert refused(s3.upload_part, **KEY, UploadId=upload, PartNumber=2, Body=b"x")[:2] == (
        403,
        "AccessDenied",
    )
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == [upload]


def test_a_key_that_no_file_can_have(s3: "S3Client") -> None:
    assert refused(s3.put_object, Bucket=BUCKET, Key="x" * 256, Body=b"")[:2] == (400, "KeyTooLongError")
    assert refused(s3.put_object, Bucket=BUCKET, Key="x/" * 600 + "x", Body=b"")[:2] == (
        400,
        "KeyTooLongError",
    )
    assert refused(s3.get_object, Bucket=BUCKET, Key="x" * 256)[:2] == (400, "KeyTooLongError")


def test_500_mb_at_once_are_refused_before_they_are_sent(server: Server, root: Path) -> None:
    client = server.client()
    upload = client.create_multipart_upload(**KEY)["UploadId"]
    put, part = f"/{BUCKET}/x", f"/{BUCKET}/x?partNumber=1&uploadId={upload}"
    for path, size, first in (
        (put, limits.load().put_bytes, b"HTTP/1.1 400 Bad Request"),
        (put, limits.load().put_bytes - 1, b"HTTP/1.1 100 Continue"),
        (part, limits.load().part_bytes + 1, b"HTTP/1.1 400 Bad Request"),
        (part, limits.load().part_bytes, b"HTTP/1.1 100 Continue"),
    ):
        signed = sign(server, "PUT", path, b"", payload_signing_enabled=False)
        headers = signed | {"Content-Length": str(size), "Expect": "100-continue"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(f"PUT {path} HTTP/1.1\r\n{lines}\r\n".encode())
            answer = connection.recv(4000)
        assert answer.startswith(first), (path, size, answer)


def test_up_to_the_limit_it_is_taken(s3: "S3Client", root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = limits.Limits(
        put_bytes=1000, part_bytes=1000, object_bytes=1500, parts=10, clock_skew_s=3600, page=1000
    )
    monkeypatch.setattr(limits, "load", lambda: small)
    s3.put_object(**KEY, Body=bytes(999))
    assert refused(s3.put_object, **KEY, Body=bytes(1000))[1] == "EntityTooLarge"
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(**KEY, UploadId=upload, PartNumber=n, Body=bytes(size))["ETag"],
        }
        for n, size in ((1, 1000), (2, 1), (3, 1000))
    ]
    assert (
        refused(s3.upload_part, **KEY, UploadId=upload, PartNumber=4, Body=bytes(1001))[1] == "EntityTooLarge"
    )
    for number in (0, 11):
        assert (
            refused(s3.upload_part, **KEY, UploadId=upload, PartNumber=number, Body=b"x")[1]
            == "InvalidArgument"
        )
    done = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert refused(s3.complete_multipart_upload, **KEY, **done)[1] == "EntityTooLarge"
    assert (root / "x").stat().st_size == 999


def test_a_body_that_ends_too_early_leaves_nothing(server: Server, root: Path) -> None:
    headers = sign(server, "PUT", f"/{BUCKET}/x", b"x" * 1000)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"PUT /{BUCKET}/x HTTP/1.1\r\n{lines}Content-Length: 1000\r\n\r\nxxx".encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            continue
    end = time.monotonic() + 10
    while list(root.glob(f"{HIDDEN}/*")) and time.monotonic() < end:
        time.sleep(0.01)
    assert list(root.glob(f"{HIDDEN}/*")) == []
    assert not (root / "x").exists()


def sign(server: Server, method: str, path: str, content: bytes, **s3: Any) -> dict[str, str]:
    request = AWSRequest(method, f"{server.url}{path}", data=content)
    request.context["client_config"] = Config(s3=s3)  # type: ignore[arg-type]
    S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", "EU-RO-1").add_auth(request)
    return {**request.headers, "Host": f"127.0.0.1:{server.port}"}


def plain(
    server: Server,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, content, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
