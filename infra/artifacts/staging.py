"""A set of weights into a bucket and out of it again: blobs first, the manifest last, shared blobs kept."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.artifacts import manifest as manifests
from infra.artifacts.manifest import Manifest, StagedFile
from infra.artifacts.store import ObjectStore
from infra.artifacts.tasks import together
from infra.artifacts.upload import MIN_PART, Source, Uploader

Status = Callable[[str], None]
_HEADS_AT_ONCE = 8
_FILES_AT_ONCE = 4
_EVERY_S = 0.5


@dataclass
class Progress:
    """Turns bytes sent into a line such as `uploading 3/5 files, 61 %, 120 MB/s`."""

    status: Status
    files: int
    total: int
    done: int = 0
    sent: int = 0
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _told: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._began = self.clock()

    def bytes(self, count: int) -> None:
        self.sent += count
        self._tell()

    def file(self) -> None:
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        now = self.clock()
        if now - self._told < _EVERY_S and self.done < self.files:
            return
        self._told = now
        share = 100 * self.sent // self.total if self.total else 100
        rate = self.sent / 1e6 / max(now - self._began, 1e-3)
        self.status(f"uploading {self.done}/{self.files} files, {share} %, {rate:.0f} MB/s")


async def stage(
    store: ObjectStore,
    bucket: str,
    manifest: Manifest,
    paths: dict[str, Path],
    *,
    status: Status,
    journals: Path | None,
    min_part: int | None = None,
) -> None:
    """Send what the bucket lacks, then the manifest. `paths`: each file of the manifest on this disk."""
    blobs = {file.sha256: file for file in manifest.files}
    absent = await missing_blobs(store, bucket, blobs.values())
    progress = Progress(status, len(absent), sum(file.size for file in absent))
    uploader = Uploader(store, bucket, journals=journals, sent=progress.bytes, min_part=min_part or MIN_PART)

    few = asyncio.Semaphore(_FILES_AT_ONCE)

    async def send(file: StagedFile) -> None:
        async with few:
            await uploader.upload(Source(file.path, paths[file.path], file.size, file.sha256), file.key)
        progress.file()

    await together(send(file) for file in absent)
    await store.put(bucket, manifests.manifest_key(manifest.digest), manifest.to_json(), "application/json")
    # Another holder of the same blobs may have left the bucket between our first look and the manifest.
    await together(send(file) for file in await missing_blobs(store, bucket, blobs.values()))


async def missing_blobs(store: ObjectStore, bucket: str, files: Iterable[StagedFile]) -> list[StagedFile]:
    """The files whose blob is not in the bucket, or is there with another size."""
    gate = asyncio.Semaphore(_HEADS_AT_ONCE)

    async def absent(file: StagedFile) -> StagedFile | None:
        async with gate:
            head = await store.head(bucket, file.key)
        return None if head is not None and head.size == file.size else file

    found = await asyncio.gather(*(absent(file) for file in files))
    return [file for file in found if file is not None]


async def claim(store: ObjectStore, bucket: str, manifest: Manifest, mark: str) -> None:
    """Note, before the first blob, that the resource with this mark holds these weights; several may hold the same.

    The claim lists the files, so that an upload which never finished can be cleaned up.
    """
    key = manifests.claim_prefix(manifest.digest) + mark
    await store.put(bucket, key, manifest.to_json(), "application/json")


async def claimed(store: ObjectStore, bucket: str, mark: str) -> str | None:
    """The digest of the weights that carry this mark."""
    async for page in store.pages(bucket, manifests.CLAIMS):
        for key in page:
            folder, _, name = key.removeprefix(manifests.CLAIMS).partition("/")
            if name == mark:
                return folder.replace("-", ":", 1)
    return None


async def read_claim(store: ObjectStore, bucket: str, digest: str, mark: str) -> Manifest | None:
    key = manifests.claim_prefix(digest) + mark
    raw = await store.get(bucket, key)
    return None if raw is None else manifests.parse(raw, f"s3://{bucket}/{key}")


async def release(
    store: ObjectStore, bucket: str, digest: str, files: Sequence[StagedFile], mark: str
) -> None:
    """Give the claim back. When it was the last one, the manifest goes and every blob that no other manifest names.

    A replacement has a mark of its own, so that this leaves alone what it took over.
    """
    prefix = manifests.claim_prefix(digest)
    await store.delete(bucket, prefix + mark)
    async for _ in store.pages(bucket, prefix):
        return
    await store.delete(bucket, manifests.manifest_key(digest))
    still_named = await _named_blobs(store, bucket)
    await together(store.delete(bucket, file.key) for file in files if file.key not in still_named)


async def read_manifest(store: ObjectStore, bucket: str, digest: str) -> Manifest | None:
    """The manifest in the bucket; None if it or the bucket is gone."""
    key = manifests.manifest_key(digest)
    raw = await store.get(bucket, key)
    return None if raw is None else manifests.parse(raw, f"s3://{bucket}/{key}")


async def _named_blobs(store: ObjectStore, bucket: str) -> set[str]:
    named: set[str] = set()
    async for page in store.pages(bucket, manifests.MANIFESTS):
        for key in page:
            raw = await store.get(bucket, key)
            if raw is not None:
                # A manifest that cannot be read may name any blob: parse raises, and nothing is deleted.
                named |= {file.key for file in manifests.parse(raw, f"s3://{bucket}/{key}").files}
    return named
