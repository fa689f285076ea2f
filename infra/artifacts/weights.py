"""`pilotlight-artifacts:index:Weights`: a local directory of safetensors, staged in a bucket by content."""

import asyncio
from pathlib import Path
from typing import Any

from infra.artifacts import staging
from infra.artifacts.client import Client, cache_dir, resolve
from infra.artifacts.hashing import HashCache
from infra.artifacts.manifest import Manifest, StagedFile, manifest_key, of
from infra.artifacts.scan import Scan, scan
from infra.artifacts.store import ObjectStore
from infra.artifacts.upload import FileChanged
from infra.kit import UNKNOWN, Change, CheckContext, Context, Created, Failure, Model, Resource, prop

MANIFEST_ITSELF = "(manifest)"
"""How `missing` calls the manifest."""


class WeightsInputs(Model):
    """A directory of weights."""

    bucket: str = prop(change=Change.REPLACE, desc="Name of the bucket.")
    source: str = prop(ignore=True, desc="The directory, relative to the one with Pulumi.yaml.")
    include: list[str] = prop(
        ["*"], ignore=True, desc="Files to stage, as globs. Hidden files are never staged."
    )
    exclude: list[str] = prop([], ignore=True, desc="Files to leave out, as globs.")
    allow_pickle: bool = prop(
        False, ignore=True, desc="Whether pickle files, which can run code when loaded, may be staged."
    )
    source_digest: str | None = prop(
        computed=True, change=Change.REPLACE, desc="`sha256:<hex>` of every file's path, size and hash."
    )
    missing: list[str] = prop(
        [], computed=True, desc="Files that the bucket has lost since; the next `pulumi up` sends them again."
    )


class WeightsFile(Model):
    """A file of the weights."""

    path: str = prop(desc="Path below the directory.")
    size: int = prop(desc="Bytes.")
    sha256: str = prop(desc="Hex SHA-256.")


class WeightsState(WeightsInputs):
    """Weights as they are staged."""

    uri: str = prop("", desc="Where the manifest is: what a worker is given.")
    digest: str = prop("", desc="`sha256:<hex>`, the same for the same files.")
    size_bytes: int = prop(0, desc="Bytes of all files together.")
    files: list[WeightsFile] = prop([], desc="The files, sorted by path.")


class Weights(Resource[Client, WeightsInputs, WeightsState]):
    """Weights in a bucket: blobs by hash, then a manifest."""

    Inputs = WeightsInputs
    State = WeightsState
    reads_disk = True
    create_timeout_s = update_timeout_s = 6 * 3600.0
    read_timeout_s = 300.0

    def check(self, ctx: CheckContext, inputs: WeightsInputs) -> list[Failure]:
        if not ctx.known(inputs.source, inputs.include, inputs.exclude):
            return []
        return [Failure("source", problem) for problem in _scan(ctx.root, inputs).problems]

    def computed(self, ctx: CheckContext, inputs: WeightsInputs) -> dict[str, Any]:
        if not ctx.known(inputs.source, inputs.include, inputs.exclude):
            return {"source_digest": UNKNOWN}
        manifest = _manifest(ctx.root, inputs)
        return {} if manifest is None else {"source_digest": manifest.digest}

    def preview(self, ctx: CheckContext, inputs: WeightsInputs, old: WeightsState | None) -> dict[str, Any]:
        if not ctx.known(inputs.source_digest):
            return {}
        manifest = _manifest(ctx.root, inputs)
        if manifest is None or manifest.digest != inputs.source_digest:
            return {}
        outputs = _outputs("", manifest)
        if ctx.known(inputs.bucket):
            return {**outputs, "uri": _uri(inputs.bucket, manifest.digest)}
        return {**outputs, "uri": UNKNOWN}

    async def find(self, ctx: Context[Client], inputs: WeightsInputs) -> str | None:
        """By our claim. Weights without one are shared by content: create sends only what lacks."""
        store = _store(ctx)
        if await store.bucket_region(inputs.bucket) is None:
            return None
        digest = await staging.claimed(store, inputs.bucket, str(ctx.mark))
        return None if digest is None else f"{inputs.bucket}/{digest}"

    async def create(self, ctx: Context[Client], inputs: WeightsInputs) -> Created[WeightsState]:
        state = await _stage(ctx, inputs)
        return Created(f"{inputs.bucket}/{state.digest}", state)

    async def read(self, ctx: Context[Client], id: str, old: WeightsState | None) -> WeightsState | None:
        store = _store(ctx)
        bucket, _, digest = id.partition("/")
        manifest = await staging.read_manifest(store, bucket, digest)
        known = manifest or await _expected(ctx, store, bucket, digest, old)
        if known is None or await store.bucket_region(bucket) is None:
            return None
        lost = [file.path for file in await staging.missing_blobs(store, bucket, known.files)]
        if manifest is None and old is not None and len(lost) == len(known.files):
            return None
        missing = sorted(lost) + ([] if manifest is not None else [MANIFEST_ITSELF])
        if missing and old is not None:
            ctx.warn(f"s3://{bucket} has lost {', '.join(missing)} of these weights")
        given = _given(old) if old is not None else {"source": ""}
        return WeightsState(
            **{
                **given,
                **_outputs(bucket, known),
                "bucket": bucket,
                "source_digest": digest,
                "missing": missing,
            }
        )

    async def update(
        self, ctx: Context[Client], id: str, old: WeightsState, new: WeightsInputs
    ) -> WeightsState:
        return await _stage(ctx, new)

    async def delete(self, ctx: Context[Client], id: str, old: WeightsState) -> None:
        bucket, _, digest = id.partition("/")
        store = _store(ctx)
        files = [StagedFile(file.path, file.size, file.sha256) for file in old.files]
        if await store.bucket_region(bucket) is not None:
            await staging.release(store, bucket, digest, files, str(ctx.mark))


async def _expected(
    ctx: Context[Client], store: ObjectStore, bucket: str, digest: str, old: WeightsState | None
) -> Manifest | None:
    """Without a manifest: the files of the state, or those that an unfinished upload meant to send."""
    if old is not None and old.files:
        return of(StagedFile(file.path, file.size, file.sha256) for file in old.files)
    return await staging.read_claim(store, bucket, digest, str(ctx.mark))


async def _stage(ctx: Context[Client], inputs: WeightsInputs) -> WeightsState:
    found = await asyncio.to_thread(_scan, ctx.root, inputs)
    manifest = None if found.problems else await asyncio.to_thread(_hash, ctx.root, found)
    if manifest is None or manifest.digest != inputs.source_digest:
        raise FileChanged(
            f"the weights in {found.root} changed since they were checked"
            + (f": {found.problems[0]}" if found.problems else ""),
            fix="Let whatever writes to the directory finish, then run `pulumi up` again.",
        )
    store, bucket = _store(ctx), inputs.bucket
    state = WeightsState(**{**_given(inputs), **_outputs(bucket, manifest), "missing": []})
    await staging.claim(store, bucket, manifest, str(ctx.mark))
    ctx.created(f"{bucket}/{manifest.digest}", state)
    journals = cache_dir(ctx.root, "uploads")
    await staging.stage(store, bucket, manifest, found.files, status=ctx.status, journals=journals)
    return state


def _store(ctx: Context[Client]) -> ObjectStore:
    return ctx.client.store.sleeping(ctx.sleep)


def _scan(root: Path | None, inputs: WeightsInputs) -> Scan:
    return scan(
        resolve(root, inputs.source), inputs.include, inputs.exclude, allow_pickle=inputs.allow_pickle is True
    )


def _hash(root: Path | None, found: Scan) -> Manifest:
    cache = HashCache(cache_dir(root, "hashes.sqlite"))
    try:
        return found.manifest(cache)
    finally:
        cache.close()


def _manifest(root: Path | None, inputs: WeightsInputs) -> Manifest | None:
    """None when the directory is refused or changes while it is read: the check says why."""
    try:
        found = _scan(root, inputs)
        return None if found.problems else _hash(root, found)
    except OSError:
        return None


def _given(inputs: WeightsInputs) -> dict[str, Any]:
    return inputs.model_dump(include=set(WeightsInputs.model_fields))


def _uri(bucket: str, digest: str) -> str:
    return f"s3://{bucket}/{manifest_key(digest)}"


def _outputs(bucket: str, manifest: Manifest) -> dict[str, Any]:
    files = [WeightsFile(path=f.path, size=f.size, sha256=f.sha256) for f in manifest.files]
    return {
        "uri": _uri(bucket, manifest.digest),
        "digest": manifest.digest,
        "size_bytes": manifest.size_bytes,
        "files": files,
    }
