"""Objects of a network volume are its files. boto3 judges."""

import hashlib
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from boto3.s3.transfer import TransferConfig

from infra.localcloud.runpod.volumes.s3.limits import HIDDEN
from tests.localcloud.volumes.conftest import Server, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "vol-ro"
KEYS = [
    "a",
    "a b/ü+%#?&=.bin",
    "deep/er/file.txt",
    "with\nnewline",
    "ends.",
    "...",
    "名前/x",
    "~tilde/*!'()",
    "a\x01b",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_is_put_is_a_file_and_comes_back(s3: "S3Client", root: Path, key: str) -> None:
    content = key.encode() * 1000
    etag = f'"{hashlib.md5(content).hexdigest()}"'
    assert s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"] == etag
    assert (root / key).read_bytes() == content
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert (got["Body"].read(), got["ETag"], got["ContentLength"]) == (content, etag, len(content))
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ETag"], head["ContentLength"]) == (etag, len(content))
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [(item["Key"], item["Size"], item["ETag"]) for item in listed] == [(key, len(content), etag)]
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert not (root / key).exists()
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert refused(s3.get_object, Bucket=BUCKET, Key=key)[:2] == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket=BUCKET, Key=key)[0] == 404


def test_a_file_of_a_worker_is_an_object(s3: "S3Client", root: Path) -> None:
    (root / "out").mkdir()
    (root / "out" / "model.bin").write_bytes(b"first")
    first = s3.head_object(Bucket=BUCKET, Key="out/model.bin")["ETag"]
    assert first == f'"{hashlib.md5(b"first").hexdigest()}"'
    (root / "out" / "model.bin").write_bytes(b"other")
    os.utime(root / "out" / "model.bin", ns=(0, 12345))
    assert (
        s3.head_object(Bucket=BUCKET, Key="out/model.bin")["ETag"] == f'"{hashlib.md5(b"other").hexdigest()}"'
    )


def test_parts_of_objects_and_conditions(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="x", Body=b"0123456789")
    ranges = {"bytes=2-4": b"234", "bytes=7-": b"789", "bytes=-3": b"789", "bytes=0-99": b"0123456789"}
    for text, content in ranges.items():
        got = s3.get_object(Bucket=BUCKET, Key="x", Range=text)
        assert got["Body"].read() == content
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.get_object(Bucket=BUCKET, Key="x", Range="bytes=2-4")["ContentRange"] == "bytes 2-4/10"
    assert refused(s3.get_object, Bucket=BUCKET, Key="x", Range="bytes=10-")[:2] == (416, "InvalidRange")
    etag = s3.head_object(Bucket=BUCKET, Key="x")["ETag"]
    assert s3.get_object(Bucket=BUCKET, Key="x", IfMatch=etag)["Body"].read() == b"0123456789"
    assert refused(s3.get_object, Bucket=BUCKET, Key="x", IfMatch='"other"')[:2] == (
        412,
        "PreconditionFailed",
    )
    assert refused(s3.get_object, Bucket=BUCKET, Key="x", IfNoneMatch=etag)[0] == 304


def test_copies(s3: "S3Client", server: Server, root: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="a b/ü", Body=b"content")
    s3.copy_object(Bucket="vol-other", Key="copy", CopySource={"Bucket": BUCKET, "Key": "a b/ü"})
    assert (server.volumes.path("vol-other") / "copy").read_bytes() == b"content"
    s3.copy_object(Bucket=BUCKET, Key="a b/ü", CopySource={"Bucket": "vol-other", "Key": "copy"})
    assert (root / "a b" / "ü").read_bytes() == b"content"
    missing = {"Bucket": BUCKET, "Key": "none"}
    assert refused(s3.copy_object, Bucket=BUCKET, Key="x", CopySource=missing)[:2] == (404, "NoSuchKey")
    abroad = {"Bucket": "vol-us", "Key": "x"}
    assert refused(s3.copy_object, Bucket=BUCKET, Key="x", CopySource=abroad)[0] == 400
    outside = {"Bucket": BUCKET, "Key": "../vol-other/copy"}
    assert refused(s3.copy_object, Bucket=BUCKET, Key="x", CopySource=outside)[0] == 400


def test_a_failed_put_leaves_what_was_there(s3: "S3Client", root: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="x", Body=b"old")
    for damage in (
        {"ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"ChecksumCRC32": "AAAAAA=="},
        {"ChecksumSHA256": "eA=="},
    ):
        assert refused(s3.put_object, Bucket=BUCKET, Key="x", Body=b"new", **damage)[:2] == (400, "BadDigest")
    assert (root / "x").read_bytes() == b"old"
    assert list((root / HIDDEN).iterdir()) == []


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
@pytest.mark.parametrize("unsigned", [True, False])
def test_sums_that_come_behind_the_content(server: Server, algorithm: str, unsigned: bool) -> None:
    """What boto3 sends unless it is told otherwise: aws-chunked with a trailer where the content is a stream."""
    options = {"addressing_style": "path"} | ({"payload_signing_enabled": False} if unsigned else {})
    client = server.client(request_checksum_calculation="when_supported", s3=options)
    content = os.urandom(300_000)
    client.put_object(
        Bucket=BUCKET,
        Key="x",
        Body=io.BytesIO(content),
        ChecksumAlgorithm=algorithm,  # type: ignore[arg-type]
    )
    assert client.get_object(Bucket=BUCKET, Key="x")["Body"].read() == content


def test_what_is_read_is_one_content_whatever_is_put_meanwhile(server: Server, s3: "S3Client") -> None:
    contents = [bytes([number]) * 200_000 for number in range(5)]
    s3.put_object(Bucket=BUCKET, Key="x", Body=contents[0])
    done = threading.Event()

    def write() -> None:
        writer = server.client()
        while not done.is_set():
            for content in contents:
                writer.put_object(Bucket=BUCKET, Key="x", Body=content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(40):
            got = s3.get_object(Bucket=BUCKET, Key="x")
            content = got["Body"].read()
            assert content in contents
            assert got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
            s3.copy_object(Bucket=BUCKET, Key=f"copy{number}", CopySource={"Bucket": BUCKET, "Key": "x"})
    finally:
        done.set()
        thread.join()
    assert all(path.read_bytes() in contents for path in server.volumes.path(BUCKET).glob("copy*"))


def test_files_and_folders_exclude_each_other(s3: "S3Client", root: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="file", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="folder/", Body=b"")
    assert (root / "folder").is_dir()
    assert s3.head_object(Bucket=BUCKET, Key="folder/")["ContentLength"] == 0
    assert s3.get_object(Bucket=BUCKET, Key="folder/")["Body"].read() == b""
    assert refused(s3.put_object, Bucket=BUCKET, Key="file/below", Body=b"x")[0] == 409
    assert refused(s3.put_object, Bucket=BUCKET, Key="file/", Body=b"")[0] == 409
    assert refused(s3.put_object, Bucket=BUCKET, Key="folder", Body=b"x")[0] == 409
    assert refused(s3.put_object, Bucket=BUCKET, Key="full/", Body=b"x")[0] == 400
    assert refused(s3.get_object, Bucket=BUCKET, Key="folder")[1] == "NoSuchKey"
    assert refused(s3.get_object, Bucket=BUCKET, Key="file/")[1] == "NoSuchKey"
    assert refused(s3.get_object, Bucket=BUCKET, Key="file/below")[1] == "NoSuchKey"
    s3.put_object(Bucket=BUCKET, Key="folder/x", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="folder/")
    assert (root / "folder" / "x").exists()
    s3.delete_object(Bucket=BUCKET, Key="folder")
    s3.delete_object(Bucket=BUCKET, Key="folder/x")
    s3.delete_object(Bucket=BUCKET, Key="folder/")
    assert not (root / "folder").exists()


def test_upload_and_download_of_files_in_parts(s3: "S3Client", root: Path, tmp_path: Path) -> None:
    """`upload_file` and `download_file`, as the AWS CLI does it."""
    content = os.urandom(3_300_000)
    (tmp_path / "in").write_bytes(content)
    parts = TransferConfig(multipart_threshold=1_000_000, multipart_chunksize=1_000_000, max_concurrency=4)
    s3.upload_file(str(tmp_path / "in"), BUCKET, "models/big.bin", Config=parts)
    assert (root / "models" / "big.bin").read_bytes() == content
    assert list((root / HIDDEN).iterdir()) == [], "its parts are gone"
    s3.copy({"Bucket": BUCKET, "Key": "models/big.bin"}, BUCKET, "models/again.bin", Config=parts)
    s3.download_file(BUCKET, "models/again.bin", str(tmp_path / "out"), Config=parts)
    assert (tmp_path / "out").read_bytes() == content
    etag = s3.head_object(Bucket=BUCKET, Key="models/big.bin")["ETag"]
    assert etag == f'"{hashlib.md5(content).hexdigest()}"'
