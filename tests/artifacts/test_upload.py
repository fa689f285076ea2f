"""Uploads against a real S3 server: resume after it was killed, and files that change under our hands."""

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.artifacts.store import ObjectStore, StoreError, StoreSettings, StoreUnreachable
from infra.artifacts.upload import MAX_PART, MIB, MIN_PART, FileChanged, Source, Uploader, part_size
from tests.artifacts.servers import S3Server, no_wait

PART = 5 * MIB
KEY = "weights/blobs/sha256/x"


class Counting(ObjectStore):
    """Counts the calls that reach the store."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store.settings, store._sleep)
        self.calls: list[str] = []

    async def call(self, method: str, **arguments: Any) -> Any:
        answer = await super().call(method, **arguments)
        self.calls.append(method)
        return answer


def big(tmp_path: Path, size: int = 4 * PART + 12345) -> Source:
    path = tmp_path / "model.safetensors"
    block = bytes(range(256)) * 4096
    path.write_bytes((block * (size // len(block) + 1))[:size])
    return Source("model.safetensors", path, size, hashlib.sha256(path.read_bytes()).hexdigest())


def put(store: ObjectStore, source: Source, tmp_path: Path, **options: Any) -> None:
    async def work() -> None:
        await Uploader(store, "models", journals=tmp_path / "journal", min_part=PART, **options).upload(
            source, KEY
        )

    asyncio.run(work())


@pytest.fixture
def store(s3: S3Server) -> Counting:
    asyncio.run(s3.store().call("create_bucket", Bucket="models"))
    return Counting(s3.store())


@pytest.mark.parametrize("size", [1, PART, PART + 1, 4 * PART, 4 * PART + 12345])
def test_what_arrives_is_what_was_sent(s3: S3Server, store: Counting, tmp_path: Path, size: int) -> None:
    source = big(tmp_path, size)
    put(store, source, tmp_path)
    assert (s3.root / "models" / KEY).read_bytes() == source.path.read_bytes()
    assert not list(tmp_path.glob("journal/*"))


def test_an_upload_goes_on_after_the_server_was_killed(s3: S3Server, store: Counting, tmp_path: Path) -> None:
    source = big(tmp_path)
    sent: list[int] = []

    def kill_after_two(count: int) -> None:
        sent.append(count)
        if len(sent) == 2:
            s3.kill()

    with pytest.raises(StoreUnreachable, match="goes on where it stopped"):
        put(store, source, tmp_path, sent=kill_after_two, slots=1)
    assert store.calls.count("upload_part") == 2
    s3.start()
    store.calls.clear()
    put(store, source, tmp_path)
    assert store.calls.count("upload_part") == 3
    assert "create_multipart_upload" not in store.calls
    assert (s3.root / "models" / KEY).read_bytes() == source.path.read_bytes()


def test_parts_that_the_store_does_not_confirm_are_sent_again(
    s3: S3Server, store: Counting, tmp_path: Path
) -> None:
    source = big(tmp_path)
    with pytest.raises(StoreUnreachable):
        put(store, source, tmp_path, sent=lambda _: s3.kill(), slots=1)
    (journal,) = (tmp_path / "journal").glob("*.json")
    notes = json.loads(journal.read_text())
    notes["parts"] = dict.fromkeys(notes["parts"], '"not-its-etag"')
    journal.write_text(json.dumps(notes))
    s3.start()
    store.calls.clear()
    put(store, source, tmp_path)
    assert store.calls.count("upload_part") == 5
    assert (s3.root / "models" / KEY).read_bytes() == source.path.read_bytes()


@pytest.mark.parametrize("notes", ['{"upload_id": "gone", "parts": {}}', "torn {", "[]", ""])
def test_a_useless_journal_starts_anew(store: Counting, tmp_path: Path, s3: S3Server, notes: str) -> None:
    source = big(tmp_path)
    with pytest.raises(StoreUnreachable):
        put(store, source, tmp_path, sent=lambda _: s3.kill(), slots=1)
    (journal,) = (tmp_path / "journal").glob("*.json")
    journal.write_text(notes)
    s3.start()
    put(store, source, tmp_path)
    assert (s3.root / "models" / KEY).read_bytes() == source.path.read_bytes()


@pytest.mark.parametrize("size", [PART, 4 * PART + 12345], ids=["whole", "parts"])
@pytest.mark.parametrize("how", ["other bytes", "longer", "shorter"])
def test_a_file_changed_after_its_check_is_refused_by_name(
    s3: S3Server, store: Counting, tmp_path: Path, size: int, how: str
) -> None:
    source = big(tmp_path, size)
    with source.path.open("r+b") as file:
        if how == "other bytes":
            file.write(b"changed")
        else:
            file.truncate(size + (1 if how == "longer" else -1))
    with pytest.raises(FileChanged, match=r"model\.safetensors changed"):
        put(store, source, tmp_path)
    assert s3.keys("models") == set()


@pytest.mark.parametrize("how", ["other bytes", "shorter", "touched"])
def test_a_file_changed_during_its_upload_is_refused_by_name(
    s3: S3Server, store: Counting, tmp_path: Path, how: str
) -> None:
    source = big(tmp_path)

    def change(_: int) -> None:
        if how == "other bytes":
            with source.path.open("r+b") as file:
                file.seek(source.size - 5)
                file.write(b"other")
        elif how == "shorter":
            os.truncate(source.path, 3 * PART)
        else:
            os.utime(source.path)

    with pytest.raises(FileChanged, match=r"model\.safetensors changed"):
        put(store, source, tmp_path, sent=change, slots=1)
    assert s3.keys("models") == set()
    uploads = asyncio.run(store.call("list_multipart_uploads", Bucket="models"))
    assert not uploads.get("Uploads")
    assert not list(tmp_path.glob("journal/*"))


def test_wrong_credentials_are_named(s3: S3Server, store: Counting, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not accept these credentials") as caught:
        put(s3.store(secret="wrong"), big(tmp_path, 10), tmp_path)
    assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_no_credentials_are_named(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="no credentials") as caught:
        put(ObjectStore(StoreSettings(s3.url), no_wait), big(tmp_path, 10), tmp_path)
    assert "pilotlight-artifacts:secretAccessKey" in str(caught.value)


def test_no_bucket_is_an_error_not_a_retry(s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="NoSuchBucket"):
        put(s3.store(), big(tmp_path, 10), tmp_path)


@pytest.mark.parametrize("size", [1, MIN_PART + 1, 10**9, 10**12, 4 * 10**12])
def test_part_sizes_keep_every_providers_rules(size: int) -> None:
    step = part_size(size)
    assert MIN_PART <= step <= MAX_PART
    assert -(-size // step) <= 10_000
