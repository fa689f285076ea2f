"""One file into a bucket: whole when small, else in equal parts that a later run can go on with.

The bytes are hashed while they are read for sending, so a file that changes meanwhile is caught before its object
appears. Part rules are the common ground of S3, R2 and RunPod's volume store: equal parts, at least 32 MiB (but for
the last), at most 500 MB, fewer than 9000.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.artifacts.hashing import FileId
from infra.artifacts.journal import Journal, journal
from infra.artifacts.store import ObjectStore, StoreError
from infra.artifacts.tasks import first_of
from infra.spec.errors import PilotlightError

MIB = 1 << 20
MIN_PART = 32 * MIB
MAX_PART = 500_000_000
MAX_PARTS = 9000


class FileChanged(PilotlightError):
    """A file is not what it was when it was checked."""


class Unsaved(PilotlightError):
    """The store took an object but does not show it as sent."""


@dataclass(frozen=True)
class Source:
    """A local file and what it must be: `name` is how messages call it."""

    name: str
    path: Path
    size: int
    sha256: str


class Uploader:
    """Sends files to one bucket. `slots` requests run at once, each with one part in memory, and one part a file."""

    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        *,
        journals: Path | None,
        sent: Callable[[int], None] = lambda count: None,
        slots: int = 4,
        min_part: int = MIN_PART,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._journals = journals
        self._sent = sent
        self._slots = asyncio.Semaphore(slots)
        self._min_part = min_part

    async def upload(self, source: Source, key: str) -> None:
        """Put the file under `key` and see that it is there. Raises `FileChanged`, `Unsaved`, `StoreError`."""
        identity = FileId.of(source.path)
        if identity.size != source.size:
            raise _changed(source)
        if source.size <= self._min_part:
            await self._whole(source, key)
        else:
            await self._parts(source, key, identity)
        head = await self._store.head(self._bucket, key)
        if head is None or head.size != source.size:
            there = "nothing" if head is None else f"{head.size} bytes"
            raise Unsaved(
                f"{source.name}: the store shows {there} under s3://{self._bucket}/{key}",
                wanted=f"{source.size} bytes",
                fix="Run `pulumi up` again.",
            )

    async def _whole(self, source: Source, key: str) -> None:
        async with self._slots:
            body = await asyncio.to_thread(source.path.read_bytes)
            if (await asyncio.to_thread(hashlib.sha256, body)).hexdigest() != source.sha256:
                raise _changed(source)
            await self._store.put(self._bucket, key, body)
        self._sent(source.size)

    async def _parts(self, source: Source, key: str, identity: FileId) -> None:
        step = part_size(source.size, self._min_part)
        where = (self._store.settings.endpoint or "aws", self._bucket, key, str(step))
        with journal(self._journals, *where) as notes:
            upload_id, done = await self._begin(key, notes, step, source.size)
            etags = dict(done)
            try:
                digest = await self._send_parts(source, key, step, upload_id, done, etags, notes)
            except FileChanged:
                await self._abort(key, upload_id, notes)
                raise
            if digest != source.sha256 or FileId.of(source.path) != identity:
                await self._abort(key, upload_id, notes)
                raise _changed(source)
            await self._complete(key, upload_id, etags)
            notes.forget()

    async def _begin(self, key: str, notes: Journal, step: int, size: int) -> tuple[str, dict[int, str]]:
        """An upload to go on with and its parts that both the journal and the store know, or a new one."""
        upload_id = notes.notes.get("upload_id")
        if isinstance(upload_id, str):
            listed = await self._listed(key, upload_id)
            if listed is not None:
                noted = notes.notes.get("parts", {})
                return upload_id, {
                    number: etag
                    for number, (etag, length) in listed.items()
                    if noted.get(str(number)) == etag and length == min(step, size - (number - 1) * step)
                }
        answer = await self._store.call("create_multipart_upload", Bucket=self._bucket, Key=key)
        notes.notes.clear()
        notes.notes.update(upload_id=answer["UploadId"], parts={})
        notes.save()
        return str(answer["UploadId"]), {}

    async def _listed(self, key: str, upload_id: str) -> dict[int, tuple[str, int]] | None:
        parts: dict[int, tuple[str, int]] = {}
        marker: dict[str, Any] = {}
        while True:
            try:
                page = await self._store.call(
                    "list_parts", Bucket=self._bucket, Key=key, UploadId=upload_id, **marker
                )
            except StoreError as error:
                if error.status == 404:
                    return None
                raise
            parts |= {p["PartNumber"]: (p["ETag"], p["Size"]) for p in page.get("Parts", [])}
            if not page.get("IsTruncated"):
                return parts
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def _send_parts(
        self,
        source: Source,
        key: str,
        step: int,
        upload_id: str,
        done: dict[int, str],
        etags: dict[int, str],
        notes: Journal,
    ) -> str:
        hasher = hashlib.sha256()

        async def send(number: int, body: bytes) -> None:
            try:
                answer = await self._store.call(
                    "upload_part",
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=body,
                )
            finally:
                self._slots.release()
            etags[number] = notes.notes["parts"][str(number)] = str(answer["ETag"])
            notes.save()
            self._sent(len(body))

        with source.path.open("rb") as file:
            try:
                async with asyncio.TaskGroup() as group:
                    for number, start in enumerate(range(0, source.size, step), start=1):
                        length = min(step, source.size - start)
                        # Read and hashed while the parts before are on their way.
                        body = await _read(file, length, hasher)
                        if len(body) != length:
                            raise _changed(source)
                        if number in done:
                            self._sent(length)
                        else:
                            await self._slots.acquire()
                            group.create_task(send(number, body))
                        del body
            except BaseExceptionGroup as failed:
                raise first_of(failed) from None
        return hasher.hexdigest()

    async def _complete(self, key: str, upload_id: str, etags: dict[int, str]) -> None:
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        try:
            await self._store.call(
                "complete_multipart_upload",
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
            )
        except StoreError as error:
            # A repeated call finds the upload gone when the first one did its work but its answer was lost.
            if error.status != 404 or await self._store.head(self._bucket, key) is None:
                raise

    async def _abort(self, key: str, upload_id: str, notes: Journal) -> None:
        notes.forget()
        try:
            await self._store.call("abort_multipart_upload", Bucket=self._bucket, Key=key, UploadId=upload_id)
        except StoreError as error:
            if error.status != 404:
                raise


def part_size(size: int, min_part: int = MIN_PART) -> int:
    """Bytes of each part but the last: whole MiB, so that fewer than 9000 parts cover the file."""
    needed = -(-size // MAX_PARTS)
    return max(min_part, min(MAX_PART, -(-needed // MIB) * MIB))


async def _read(file: Any, length: int, hasher: Any) -> bytes:
    def work() -> bytes:
        body: bytes = file.read(length)
        hasher.update(body)
        return body

    return await asyncio.to_thread(work)


def _changed(source: Source) -> FileChanged:
    return FileChanged(
        f"{source.name} changed while it was being uploaded ({source.path})",
        wanted="files that stay as they were checked",
        fix="Let whatever writes to the directory finish, then run `pulumi up` again.",
    )
