"""Buckets against a real S3 server, driven as the engine drives them."""

from pathlib import Path

import grpc.aio
import pytest

from infra.artifacts.bucket import MARK_KEY
from infra.artifacts.client import Client
from infra.artifacts.intents import Intents
from tests.artifacts.engine import Entry, engine, run, urn
from tests.artifacts.servers import S3Server, no_wait


def client(s3: S3Server) -> Client:
    return Client(s3.store(), local=True, sleep=no_wait)


def test_a_bucket_goes_through_its_whole_life(s3: S3Server, tmp_path: Path) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            bucket = Entry(urn("Bucket", "models"))
            assert await up.up(bucket, {}) == "create"
            name = bucket.id
            assert name.startswith("models-")
            assert bucket.outputs["uri"] == f"s3://{name}"
            assert s3.keys(name) == {MARK_KEY}
            assert await up.up(bucket, {}) == "same"
            assert await up.refresh(bucket)
            assert await up.up(bucket, {}) == "same"
            await up.destroy(bucket)
            assert not (s3.root / name).exists()
            await up.destroy(bucket)
            assert not await up.refresh(bucket)

    run(body())


def test_an_imported_bucket_needs_no_change(s3: S3Server, tmp_path: Path) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            await s3.store().call("create_bucket", Bucket="mine")
            bucket = Entry(urn("Bucket"), "mine")
            assert await up.refresh(bucket)
            assert await up.up(bucket, {"name": "mine"}) == "same"

    run(body())


def test_a_strangers_bucket_is_refused_and_left_alone(s3: S3Server, tmp_path: Path) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            await s3.store().call("create_bucket", Bucket="taken")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await up.up(Entry(urn("Bucket")), {"name": "taken"})
            assert "pulumi import pilotlight-artifacts:index:Bucket it taken" in str(caught.value.details())
            assert s3.keys("taken") == set()

    run(body())


@pytest.mark.parametrize("marked", [False, True], ids=["before its mark", "after its mark"])
def test_a_bucket_of_a_killed_run_is_taken_up_again(s3: S3Server, tmp_path: Path, marked: bool) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            bucket = Entry(urn("Bucket"))
            await up.up(bucket, {"name": "ours"})
            mark = (s3.root / "ours" / MARK_KEY).read_text()
        if not marked:
            (s3.root / "ours" / MARK_KEY).unlink()
            Intents(tmp_path / ".pilotlight" / "cache" / "intents").note(mark, "ours")
        for line in (tmp_path / ".pilotlight" / "journal").glob("*.json"):
            line.write_text(line.read_text().replace("returned", "open").replace("settled", "open"))
        async with engine(client(s3), tmp_path) as up:
            again = Entry(urn("Bucket"))
            assert await up.up(again, {"name": "ours"}) == "create"
            assert again.id == "ours"
            assert (s3.root / "ours" / MARK_KEY).read_text() == mark

    run(body())


def test_an_unmarked_bucket_with_objects_is_never_taken(s3: S3Server, tmp_path: Path) -> None:
    async def body() -> None:
        await s3.store().call("create_bucket", Bucket="ours")
        await s3.store().put("ours", "data", b"x")
        async with engine(client(s3), tmp_path) as up:
            with pytest.raises(grpc.aio.AioRpcError):
                await up.up(Entry(urn("Bucket")), {"name": "ours"})
        assert s3.keys("ours") == {"data"}

    run(body())


def test_what_a_bucket_holds_is_deleted_only_when_told_so(s3: S3Server, tmp_path: Path) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            bucket = Entry(urn("Bucket"))
            await up.up(bucket, {"name": "full"})
            for i in range(1201):
                (s3.root / "full" / f"object-{i}").write_bytes(b"x")
            with pytest.raises(grpc.aio.AioRpcError, match="still holds 1201 objects"):
                await up.destroy(bucket)
            assert len(s3.keys("full")) == 1202
            assert await up.up(bucket, {"name": "full", "forceDestroy": True}) == "update"
            await s3.store().call("create_multipart_upload", Bucket="full", Key="half-sent")
            await up.destroy(bucket)
            assert not (s3.root / "full").exists()
            assert "emptying: 1000 objects deleted" in await up.told()

    run(body())


@pytest.mark.parametrize("name", ["Upper", "ab", "a" * 64, "under_score", "a..b", "192.168.0.1", "-dash"])
def test_a_bad_name_is_refused_at_once(s3: S3Server, tmp_path: Path, name: str) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            failures = await up.failures(urn("Bucket"), {"name": name})
            assert "is no bucket name" in failures["name"][0]

    run(body())


def test_wrong_credentials_are_named_and_not_taken_for_a_strangers_bucket(
    s3: S3Server, tmp_path: Path
) -> None:
    async def body() -> None:
        await s3.store().call("create_bucket", Bucket="there")
        wrong = Client(s3.store(secret="canary-of-a-wrong-secret"), local=True, sleep=no_wait)
        async with engine(wrong, tmp_path) as up:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await up.up(Entry(urn("Bucket")), {"name": "there"})
        text = str(caught.value.details())
        assert "does not accept these credentials" in text
        assert "canary" not in text

    run(body())


def test_r2_without_an_address_is_refused(tmp_path: Path, s3: S3Server) -> None:
    async def body() -> None:
        async with engine(client(s3), tmp_path) as up:
            bucket = Entry(urn("Bucket"))
            assert await up.up(bucket, {"name": "r2-bucket", "kind": "r2"}) == "create"
            assert bucket.outputs["kind"] == "r2"

    run(body())
