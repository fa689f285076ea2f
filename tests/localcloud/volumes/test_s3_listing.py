"""Lists, page by page, compared with a plain computation over all keys."""

import inspect
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.localcloud.runpod.volumes.s3.files import Files
from infra.localcloud.runpod.volumes.s3.limits import HIDDEN
from infra.localcloud.runpod.volumes.s3.listing import page
from tests.localcloud.volumes.conftest import Server, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "vol-ro"


def fill(root: Path, *keys: str) -> None:
    for key in keys:
        path = root / key
        if key.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(key)


def keys_of(answer: Any) -> list[str]:
    return [item["Key"] for item in answer.get("Contents", ())]


def prefixes_of(answer: Any) -> list[str]:
    return [item["Prefix"] for item in answer.get("CommonPrefixes", ())]


def test_order_prefixes_and_empty_directories(s3: "S3Client", root: Path) -> None:
    fill(root, "a.txt", "a/x", "a/y/z", "a0", "ab/", "b", "ü", f"{HIDDEN}/put-1")
    everything = ["a.txt", "a/x", "a/y/z", "a0", "ab/", "b", "ü"]
    assert keys_of(s3.list_objects_v2(Bucket=BUCKET)) == everything
    assert keys_of(s3.list_objects(Bucket=BUCKET)) == everything
    top = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert (keys_of(top), prefixes_of(top)) == (["a.txt", "a0", "b", "ü"], ["a/", "ab/"])
    inner = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/", Prefix="a/")
    assert (keys_of(inner), prefixes_of(inner)) == (["a/x"], ["a/y/"])
    assert keys_of(s3.list_objects_v2(Bucket=BUCKET, Prefix="ab/")) == ["ab/"]
    assert keys_of(s3.list_objects_v2(Bucket=BUCKET, Prefix="a/y")) == ["a/y/z"]
    for prefix in ("../", "a/../", "/", "a//", "zz", f"{HIDDEN}/", "./a"):
        assert keys_of(s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)) == [], prefix


def test_pages_with_the_official_paginators(s3: "S3Client", root: Path) -> None:
    fill(root, *(f"d{number % 3}/k{number:02}" for number in range(30)), "top")
    for name in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(name).paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 7}))
        found = [key for answer in pages for key in keys_of(answer)]
        assert found == sorted(found)
        assert len(found) == 31
        grouped = s3.get_paginator(name).paginate(
            Bucket=BUCKET, Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        both = [key for answer in grouped for key in (*keys_of(answer), *prefixes_of(answer))]
        assert both == ["d0/", "d1/", "d2/", "top"]
    first = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=2, StartAfter="d1/k01")
    assert (keys_of(first), first["KeyCount"], first["IsTruncated"]) == (["d1/k04", "d1/k07"], 2, True)
    assert s3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)["IsTruncated"] is False
    assert refused(s3.list_objects_v2, Bucket=BUCKET, ContinuationToken="\xff?")[:2] == (
        400,
        "InvalidArgument",
    )


def test_any_page_is_what_a_plain_computation_says(tmp_path: Path) -> None:
    dice = random.Random(7)
    names = ["a", "b", "a-", "a.b", "a0", "ü", "z"]
    for number in range(400):
        depth = dice.randint(1, 4)
        path = tmp_path.joinpath(*(dice.choice(names) for _ in range(depth)))
        try:
            path.mkdir(parents=True) if number % 5 == 0 else fill(path.parent, path.name)
        except OSError:
            continue  # a file is in the way
    keys = []
    for folder, folders, files in os.walk(tmp_path):
        base = "" if folder == str(tmp_path) else f"{Path(folder).relative_to(tmp_path)}/"
        keys += [base + name for name in files] or ([base] if base and not folders else [])
    keys.sort(key=str.encode)
    assert len(keys) > 40
    for _ in range(800):
        prefix = dice.choice(["", *(key[: dice.randint(0, len(key))] for key in dice.sample(keys, 3))])
        after = dice.choice(["", "", *(key[: dice.randint(0, len(key))] for key in dice.sample(keys, 2))])
        delimiter, limit = dice.choice(["", "/", "-", "a"]), dice.choice([1, 2, 5, 1000])
        found = page(Files(tmp_path), prefix, delimiter, after, limit)
        assert (
            [item.key for item in found.items],
            found.prefixes,
            bool(found.last),
        ) == plainly(keys, prefix, delimiter, after, limit), (prefix, delimiter, after, limit)


def plainly(
    keys: list[str], prefix: str, delimiter: str, after: str, limit: int
) -> tuple[list[str], list[str], bool]:
    entries: list[tuple[str, bool]] = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        place = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if place < 0 else (key[: place + len(delimiter)], True)
        if entry[0].encode() > after.encode() and entry not in entries:
            entries.append(entry)
    shown = entries[:limit]
    return (
        [text for text, common in shown if not common],
        [text for text, common in shown if common],
        len(entries) > limit,
    )


def test_links_stay_inside(s3: "S3Client", root: Path, server: Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    fill(root, "blobs/1")
    (root / "model").symlink_to("blobs/1")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "away").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    (root / "broken").symlink_to("nothing")
    os.mkfifo(root / "pipe")
    assert keys_of(s3.list_objects_v2(Bucket=BUCKET)) == ["blobs/1", "model"]
    assert s3.get_object(Bucket=BUCKET, Key="model")["Body"].read() == b"blobs/1"
    for key in ("out", "away/secret"):
        assert refused(s3.get_object, Bucket=BUCKET, Key=key)[:2] == (403, "AccessDenied"), key
        assert (
            refused(s3.copy_object, Bucket=BUCKET, Key="x", CopySource={"Bucket": BUCKET, "Key": key})[0]
            == 403
        )
    for key in ("broken", "pipe"):
        assert refused(s3.get_object, Bucket=BUCKET, Key=key)[:2] == (404, "NoSuchKey"), key
    assert refused(s3.put_object, Bucket=BUCKET, Key="away/new", Body=b"x")[:2] == (403, "AccessDenied")
    assert refused(s3.delete_object, Bucket=BUCKET, Key="away/secret")[:2] == (403, "AccessDenied")
    assert keys_of(s3.list_objects_v2(Bucket=BUCKET, Prefix="away/")) == []
    s3.put_object(Bucket=BUCKET, Key="out", Body=b"mine")
    assert ((tmp_path / "secret").read_text(), (root / "out").is_symlink()) == ("secret", False)
    s3.delete_object(Bucket=BUCKET, Key="model")
    assert (root / "blobs" / "1").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]


def test_directories_nested_deeper_than_a_stack(root: Path) -> None:
    (root / ("d/" * 400)).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        found = page(Files(root), "", "", "", 10)
    finally:
        sys.setrecursionlimit(limit)
        for depth in range(400, 0, -1):  # pytest's own clean-up recurses
            (root / ("d/" * depth)).rmdir()
    assert [item.key for item in found.items] == ["d/" * 400]


def test_buckets_are_the_volumes_of_the_data_center(s3: "S3Client", server: Server) -> None:
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["vol-other", "vol-ro"]
    assert [bucket["Name"] for bucket in server.client("US-KS-2").list_buckets()["Buckets"]] == ["vol-us"]
    assert s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert refused(s3.head_bucket, Bucket="vol-none")[0] == 404
    for name in ("list_objects_v2", "list_objects", "list_multipart_uploads"):
        assert refused(getattr(s3, name), Bucket="vol-none")[:2] == (404, "NoSuchBucket")
