"""Weights against a real S3 server, driven as the engine drives them."""

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from infra.artifacts import staging, upload
from infra.artifacts.client import Client
from infra.artifacts.manifest import BLOBS, CLAIMS, MANIFESTS
from tests.artifacts.engine import Entry, engine, run, urn
from tests.artifacts.makers import write_sound
from tests.artifacts.servers import S3Server, no_wait
from tests.artifacts.test_upload import Counting

BUCKET = "models"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    write_sound(folder / "weights" / "model.safetensors", fill=b"\x01")
    write_sound(folder / "weights" / "extra" / "head.safetensors", fill=b"\x02")
    (folder / "weights" / "tokenizer.json").write_text('{"a": 1}')
    (folder / "weights" / ".cache").write_text("hidden")
    return folder


@pytest.fixture
def client(s3: S3Server) -> Client:
    run(make_bucket(s3))
    return Client(s3.store(), local=True, sleep=no_wait)


async def make_bucket(s3: S3Server) -> None:
    await s3.store().call("create_bucket", Bucket=BUCKET)


def given(**more: Any) -> dict[str, Any]:
    return {"bucket": BUCKET, "source": "weights", **more}


def blobs(s3: S3Server) -> set[str]:
    return {key.removeprefix(BLOBS) for key in s3.keys(BUCKET) if key.startswith(BLOBS)}


def test_weights_go_through_their_whole_life(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            assert await up.up(weights, given()) == "create"
            digest = weights.outputs["digest"]
            assert weights.id == f"{BUCKET}/{digest}"
            assert weights.outputs["uri"] == f"s3://{BUCKET}/{MANIFESTS}{digest.replace(':', '-')}.json"
            assert await up.up(weights, given()) == "same"
            assert await up.refresh(weights)
            assert await up.up(weights, given()) == "same"
            await up.destroy(weights)
            assert s3.keys(BUCKET) == set()
            await up.destroy(weights)
            assert not await up.refresh(weights)

    run(body())


def test_the_manifest_is_what_a_worker_reads(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            key = weights.outputs["uri"].removeprefix(f"s3://{BUCKET}/")
            manifest = json.loads((s3.root / BUCKET / key).read_text())
            rows = [[file["path"], file["size"], file["sha256"]] for file in manifest["files"]]
            assert [row[0] for row in rows] == [
                "extra/head.safetensors",
                "model.safetensors",
                "tokenizer.json",
            ]
            canonical = json.dumps(rows, separators=(",", ":"), sort_keys=True).encode()
            assert (
                manifest["digest"]
                == weights.outputs["digest"]
                == "sha256:" + hashlib.sha256(canonical).hexdigest()
            )
            for file in manifest["files"]:
                body = (root / "weights" / file["path"]).read_bytes()
                assert file["key"] == BLOBS + hashlib.sha256(body).hexdigest()
                assert (s3.root / BUCKET / file["key"]).read_bytes() == body

    run(body())


def test_a_preview_knows_every_output_and_touches_nothing(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            inputs = await up.driver.check(given(), {}, urn("Weights"))
            s3.kill()
            _, outputs = await up.driver.create(inputs, urn("Weights"), preview=True)
            s3.start()
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            assert outputs == weights.outputs

    run(body())


def test_a_new_file_sends_only_itself_and_the_old_set_goes(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        client.store = Counting(client.store)
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            before = weights.outputs["digest"]
            write_sound(root / "weights" / "new.safetensors", fill=b"\x05")
            (root / "weights" / "tokenizer.json").unlink()
            assert await up.up(weights, given()) == "replace"
            assert any("uploading 1/1 files, 100 %" in line for line in await up.told())
            assert not any(before.replace(":", "-") in key for key in s3.keys(BUCKET))
            assert len(blobs(s3)) == 3

    run(body())


def test_moving_the_directory_is_no_change(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            (root / "weights").rename(root / "moved")
            s3.kill()
            assert await up.up(weights, given(source="moved")) == "update"

    run(body())


def test_two_sets_share_blobs_and_each_leaves_alone_what_the_other_needs(
    s3: S3Server, client: Client, root: Path
) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            everything, part = Entry(urn("Weights", "all")), Entry(urn("Weights", "part"))
            await up.up(everything, given())
            await up.up(part, given(exclude=["extra/"]))
            assert len(blobs(s3)) == 3
            await up.destroy(everything)
            assert len(blobs(s3)) == 2
            assert await up.refresh(part)
            assert await up.up(part, given(exclude=["extra/"])) == "same"
            await up.destroy(part)
            assert s3.keys(BUCKET) == set()

    run(body())


def test_two_resources_may_hold_the_very_same_weights(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up, engine(client, root, instance="bbbbbbbb") as elsewhere:
            one, two, three = (
                Entry(urn("Weights", "one")),
                Entry(urn("Weights", "two")),
                Entry(urn("Weights", "one")),
            )
            await up.up(one, given())
            await up.up(two, given())
            await elsewhere.up(three, given())
            await up.destroy(one)
            assert await up.refresh(two)
            await up.destroy(two)
            assert len(blobs(s3)) == 3
            assert await elsewhere.refresh(three)
            await elsewhere.destroy(three)
            assert s3.keys(BUCKET) == set()

    run(body())


def test_a_replacement_by_the_same_content_survives_its_predecessor(
    s3: S3Server, client: Client, root: Path
) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            assert await up.up(weights, given(), replace=True) == "replace"
            assert await up.refresh(weights)
            assert await up.up(weights, given()) == "same"
        async with engine(client, root) as up:
            await up.driver.read(weights.id, weights.outputs, weights.inputs, weights.urn)
            old = Entry(weights.urn, weights.id, dict(weights.inputs), dict(weights.outputs))
            replacing = await up.driver.check(given(), {}, weights.urn, randomSeed=b"other")
            weights.id, weights.outputs = await up.driver.create(replacing, weights.urn)
            weights.inputs = replacing
        async with engine(client, root) as later:  # killed half way: another process does the delete
            await later.destroy(old)
            assert await later.refresh(weights)
            assert await later.up(weights, given()) == "same"

    run(body())


@pytest.mark.parametrize("lost", ["a blob", "the manifest", "a blob cut short"])
def test_what_the_bucket_lost_shows_as_drift_and_is_sent_again(
    s3: S3Server, client: Client, root: Path, lost: str
) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            complete = s3.keys(BUCKET)
            blob = (
                s3.root
                / BUCKET
                / next(f for f in weights.outputs["files"] if f["path"] == "tokenizer.json").get(
                    "key", BLOBS + hashlib.sha256(b'{"a": 1}').hexdigest()
                )
            )
            if lost == "a blob":
                blob.unlink()
            elif lost == "a blob cut short":
                blob.write_bytes(b"{")
            else:
                next((s3.root / BUCKET / MANIFESTS).iterdir()).unlink()
            assert await up.refresh(weights)
            assert weights.outputs["missing"] == (
                ["(manifest)"] if lost == "the manifest" else ["tokenizer.json"]
            )
            assert await up.up(weights, given()) == "update"
            assert weights.outputs["missing"] == []
            assert s3.keys(BUCKET) == complete
            assert blob.read_bytes() == b'{"a": 1}'
            assert await up.up(weights, given()) == "same"

    run(body())


def test_weights_are_gone_with_their_bucket(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            for path in sorted((s3.root / BUCKET).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (s3.root / BUCKET).rmdir()
            assert not await up.refresh(weights)

    run(body())


def test_imported_weights_need_no_change(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
            imported = Entry(urn("Weights", "imported"), weights.id)
            assert await up.refresh(imported)
            inputs = await up.driver.check(given(), imported.inputs, imported.urn)
            answer = await up.driver.diff(imported.id, imported.inputs, inputs, imported.urn)
            assert not answer.replaces
            assert set(answer.diffs) <= {"source"}

    run(body())


@pytest.mark.parametrize("when", ["first part", "small file"])
def test_the_next_up_goes_on_after_the_store_went_down(
    s3: S3Server, client: Client, root: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        monkeypatch.setattr(staging, "MIN_PART", 5 * upload.MIB)
        store = client.store = Counting(client.store)
        part = 5 * upload.MIB
        write_sound(root / "weights" / "model.safetensors", floats=2 * part // 4, fill=b"\x07")
        original = Counting.call

        async def dying(self: Counting, method: str, **arguments: Any) -> Any:
            answer = await original(self, method, **arguments)
            if method == ("upload_part" if when == "first part" else "put_object") and s3.process is not None:
                s3.kill()
            return answer

        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            monkeypatch.setattr(Counting, "call", dying)
            with pytest.raises(grpc.aio.AioRpcError, match="does not answer"):
                await up.up(weights, given())
            monkeypatch.setattr(Counting, "call", original)
            s3.start()
        store.calls.clear()
        async with engine(client, root) as up:
            assert await up.up(weights, given()) in ("create", "update")
            assert ("create_multipart_upload" in store.calls) == (when == "small file")
            assert (store.calls.count("upload_part") < 5) == (when == "first part")
            assert await up.refresh(weights)
            assert await up.up(weights, given()) == "same"
            assert len(blobs(s3)) == 3
            await up.destroy(weights)
            assert s3.keys(BUCKET) == set()

    run(body())


def test_an_upload_that_failed_for_good_leaves_nothing_after_destroy(
    s3: S3Server, client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async def failing(*_: Any, **__: Any) -> None:
            (root / "weights" / "tokenizer.json").write_text('{"a": 2}')
            await original(*_, **__)

        original = staging.stage
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            monkeypatch.setattr(staging, "stage", failing)
            with pytest.raises(
                grpc.aio.AioRpcError, match=r"tokenizer\.json changed while it was being uploaded"
            ):
                await up.up(weights, given())
            assert weights.id
            assert weights.failed
            await up.destroy(weights)
            assert s3.keys(BUCKET) == set()

    run(body())


def test_a_change_between_check_and_create_is_refused(s3: S3Server, client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            inputs = await up.driver.check(given(), {}, urn("Weights"))
            (root / "weights" / "tokenizer.json").write_text('{"a": 2}')
            with pytest.raises(grpc.aio.AioRpcError, match="changed since they were checked"):
                await up.driver.create(inputs, urn("Weights"))
            assert s3.keys(BUCKET) == set()

    run(body())


def test_every_problem_is_a_failure_of_source(client: Client, root: Path) -> None:
    async def body() -> None:
        async with engine(client, root) as up:
            (root / "weights" / "torn.safetensors").write_bytes(b"x")
            (root / "weights" / "empty.json").write_bytes(b"")
            failures = await up.failures(urn("Weights"), given())
            assert len(failures["source"]) == 2
            failures = await up.failures(urn("Weights"), given(source="nowhere"))
            assert "does not exist" in failures["source"][0]

    run(body())


def test_a_preview_with_an_unknown_bucket_is_honest(client: Client, root: Path) -> None:
    from infra.spec.findings import UNKNOWN

    async def body() -> None:
        async with engine(client, root) as up:
            inputs = await up.driver.check(given(bucket=UNKNOWN), {}, urn("Weights"))
            _, outputs = await up.driver.create(inputs, urn("Weights"), preview=True)
            assert outputs["uri"] is UNKNOWN
            assert outputs["digest"].startswith("sha256:")

    run(body())


def test_the_second_preview_reads_no_weights(
    client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_reading(*_: Any) -> None:
        raise AssertionError("weights were read again")

    async def body() -> None:
        for path in (root / "weights").rglob("*"):
            os.utime(path)
        import time

        now = time.time_ns()
        monkeypatch.setattr("infra.artifacts.hashing.time.time_ns", lambda: now + 10**12)
        async with engine(client, root) as up:
            first = await up.driver.check(given(), {}, urn("Weights"))
            monkeypatch.setattr("infra.artifacts.hashing.hashlib.file_digest", no_reading)
            assert (await up.driver.check(given(), {}, urn("Weights")))["sourceDigest"] == first[
                "sourceDigest"
            ]

    run(body())


def test_a_claim_of_a_killed_run_is_taken_up(s3: S3Server, client: Client, root: Path) -> None:
    """Killed with -9 after the first blob: no state, but a claim; the next run adopts it and there is one of each."""

    async def body() -> None:
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given())
        next((s3.root / BUCKET / MANIFESTS).iterdir()).unlink()
        (s3.root / BUCKET / BLOBS / sorted(blobs(s3))[0]).unlink()
        for line in (root / ".pilotlight" / "journal").glob("*.json"):
            line.write_text(line.read_text().replace("returned", "open").replace("settled", "open"))
        async with engine(client, root) as up:
            again = Entry(urn("Weights"))
            assert await up.up(again, given()) == "create"
            assert again.id == weights.id
            assert len(blobs(s3)) == 3
            assert len([key for key in s3.keys(BUCKET) if key.startswith(CLAIMS)]) == 1

    run(body())


def test_a_stopped_upload_keeps_its_id_and_goes_on(
    s3: S3Server, client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        begun = asyncio.Event()
        original = Counting.call

        async def hanging(self: Counting, method: str, **arguments: Any) -> Any:
            if method == "put_object" and arguments["Key"].startswith(BLOBS):
                begun.set()
                await asyncio.Event().wait()
            return await original(self, method, **arguments)

        client.store = Counting(client.store)
        monkeypatch.setattr(Counting, "call", hanging)
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            going = asyncio.create_task(up.up(weights, given()))
            await begun.wait()
            await up.driver.cancel()
            with pytest.raises(grpc.aio.AioRpcError, match="stopped before it was finished"):
                await going
            assert weights.id
        monkeypatch.setattr(Counting, "call", original)
        async with engine(client, root) as up:
            assert await up.up(weights, given()) == "update"
            assert await up.refresh(weights)
            assert await up.up(weights, given()) == "same"

    run(body())


def test_a_real_model_is_staged_and_comes_back_byte_by_byte(s3: S3Server, client: Client, root: Path) -> None:
    model = Path(__file__).parents[2] / ".pilotlight" / "models" / "all-MiniLM-L6-v2"
    if not (model / "model.safetensors").exists():
        pytest.skip("the demo's model is missing: run `make setup`")

    async def body() -> None:
        client.store = Counting(client.store)
        async with engine(client, root) as up:
            weights = Entry(urn("Weights"))
            await up.up(weights, given(source=str(model)))
            for file in weights.outputs["files"]:
                stored = s3.root / BUCKET / BLOBS / file["sha256"]
                assert stored.read_bytes() == (model / file["path"]).read_bytes()
            client.store.calls.clear()
            assert await up.up(weights, given(source=str(model))) == "same"
            assert client.store.calls == []

    run(body())
