"""Uploads in parts, by the calls that boto3's transfers make."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.localcloud.runpod.volumes.s3.limits import HIDDEN
from tests.localcloud.volumes.conftest import Server, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "vol-ro"
KEY: dict[str, Any] = {"Bucket": BUCKET, "Key": "deep/x"}


def part(s3: "S3Client", upload: str, number: int, content: bytes) -> dict[str, Any]:
    etag = s3.upload_part(**KEY, UploadId=upload, PartNumber=number, Body=content)["ETag"]
    return {"PartNumber": number, "ETag": etag}


def test_parts_become_the_object_in_order(s3: "S3Client", root: Path) -> None:
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    assert not (root / "deep").exists()
    parts = {number: part(s3, upload, number, f"<{number}>".encode()) for number in (3, 1, 10, 2)}
    part(s3, upload, 4, b"not wanted")
    parts[2] = part(s3, upload, 2, b"<second>")
    listed = s3.list_parts(**KEY, UploadId=upload, MaxParts=2)
    assert [(item["PartNumber"], item["Size"]) for item in listed["Parts"]] == [(1, 3), (2, 8)]
    assert (listed["IsTruncated"], listed["NextPartNumberMarker"]) == (True, 2)
    rest = s3.list_parts(**KEY, UploadId=upload, PartNumberMarker=2)
    assert [item["PartNumber"] for item in rest["Parts"]] == [3, 4, 10]
    chosen = {"Parts": [parts[number] for number in (1, 2, 3, 10)]}
    done = s3.complete_multipart_upload(**KEY, UploadId=upload, MultipartUpload=chosen)  # type: ignore[arg-type]
    content = b"<1><second><3><10>"
    assert (root / "deep" / "x").read_bytes() == content
    assert done["ETag"] == s3.head_object(**KEY)["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert list((root / HIDDEN).iterdir()) == []
    assert refused(s3.list_parts, **KEY, UploadId=upload)[:2] == (404, "NoSuchUpload")


def test_a_wrong_completion_changes_nothing(s3: "S3Client", root: Path) -> None:
    s3.put_object(**KEY, Body=b"old")
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    one, two = part(s3, upload, 1, b"1"), part(s3, upload, 2, b"2")

    def complete(*parts: dict[str, Any], **other: Any) -> str:
        arguments = {**KEY, "UploadId": upload, "MultipartUpload": {"Parts": list(parts)}, **other}
        return refused(s3.complete_multipart_upload, **arguments)[1]

    assert complete(two, one) == "InvalidPartOrder"
    assert complete(one, one) == "InvalidPartOrder"
    assert complete(one, {"PartNumber": 3, "ETag": one["ETag"]}) == "InvalidPart"
    assert complete({"PartNumber": 1, "ETag": two["ETag"]}) == "InvalidPart"
    assert complete() == "MalformedXML"
    assert complete(one, UploadId="0" * 32) == "NoSuchUpload"
    assert complete(one, UploadId="../x") == "NoSuchUpload"
    assert complete(one, Key="other") == "NoSuchUpload"
    assert complete(one, Bucket="vol-other") == "NoSuchUpload"
    assert s3.get_object(**KEY)["Body"].read() == b"old"
    s3.complete_multipart_upload(**KEY, UploadId=upload, MultipartUpload={"Parts": [one, two]})  # type: ignore[list-item]
    assert s3.get_object(**KEY)["Body"].read() == b"12"


def test_an_aborted_upload_is_gone(s3: "S3Client", root: Path, server: Server) -> None:
    first, second = (s3.create_multipart_upload(**KEY)["UploadId"] for _ in range(2))
    other = s3.create_multipart_upload(Bucket=BUCKET, Key="a")["UploadId"]
    part(s3, first, 1, b"x")
    listed = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [item["UploadId"] for item in listed] == [other, *sorted((first, second))]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=BUCKET, Prefix="deep", PaginationConfig={"PageSize": 1}
    )
    assert [item["UploadId"] for page in pages for item in page.get("Uploads", ())] == sorted((first, second))
    s3.abort_multipart_upload(**KEY, UploadId=first)
    assert refused(s3.abort_multipart_upload, **KEY, UploadId=first)[1] == "NoSuchUpload"
    assert refused(s3.upload_part, **KEY, UploadId=first, PartNumber=1, Body=b"x")[1] == "NoSuchUpload"
    assert not (root / HIDDEN / first).exists()
    assert (root / HIDDEN / second).exists()


def test_parts_copied_from_an_object(s3: "S3Client", server: Server) -> None:
    s3.put_object(Bucket="vol-other", Key="source", Body=b"0123456789")
    upload = s3.create_multipart_upload(**KEY)["UploadId"]
    source: Any = {"Bucket": "vol-other", "Key": "source"}

    def copy(number: int, span: str) -> dict[str, Any]:
        answer = s3.upload_part_copy(
            **KEY,
            UploadId=upload,
            PartNumber=number,
            CopySource=source,
            CopySourceRange=span,
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    parts = [copy(1, "bytes=5-9"), copy(2, "bytes=0-1")]
    span = {"CopySource": source, "CopySourceRange": "bytes=10-11"}
    assert refused(s3.upload_part_copy, **KEY, UploadId=upload, PartNumber=3, **span)[1] == "InvalidArgument"
    s3.complete_multipart_upload(**KEY, UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
    assert s3.get_object(**KEY)["Body"].read() == b"5678901"
