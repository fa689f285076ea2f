"""Uploads in parts: files in a hidden directory of the volume until they are completed or aborted."""

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.localcloud.runpod.volumes.s3 import limits
from infra.localcloud.runpod.volumes.s3.errors import S3Error, no_such_upload
from infra.localcloud.runpod.volumes.s3.files import Files, etag_of, remember

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_RECORD = "upload.json"


@dataclass(frozen=True)
class Part:
    number: int
    size: int
    modified: float
    etag: str


@dataclass(frozen=True)
class Upload:
    id: str
    key: str
    initiated: float


class Uploads:
    def __init__(self, files: Files) -> None:
        self._files = files

    def create(self, key: str, now: float) -> str:
        self._files.place(key)
        upload_id = secrets.token_hex(16)
        folder = self._files.uploads / upload_id
        folder.mkdir(parents=True, mode=0o700)
        (folder / _RECORD).write_text(json.dumps({"key": key, "initiated": now}))
        return upload_id

    def folder(self, key: str, upload_id: str) -> Path:
        """Raises S3Error: NoSuchUpload."""
        if self._find(upload_id).key != key:
            raise no_such_upload()
        return self._files.uploads / upload_id

    def keep(self, scratch: Path, key: str, upload_id: str, number: int) -> None:
        """A part that came whole; an earlier one of that number goes."""
        os.replace(scratch, self.folder(key, upload_id) / f"{number:05d}")

    def parts(self, key: str, upload_id: str) -> list[Part]:
        found = []
        for path in sorted(self.folder(key, upload_id).glob("[0-9]*")):
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode):
                continue
            found.append(Part(int(path.name), info.st_size, info.st_mtime, etag_of(path)))
        return found

    def all(self) -> list[Upload]:
        """By key, then by age."""
        found = []
        for path in self._files.uploads.glob(f"*/{_RECORD}"):
            try:
                found.append(self._find(path.parent.name))
            except S3Error:
                continue
        return sorted(found, key=lambda upload: (upload.key, upload.initiated))

    def abort(self, key: str, upload_id: str) -> None:
        shutil.rmtree(self.folder(key, upload_id))

    def complete(self, key: str, upload_id: str, wanted: Sequence[tuple[int, str]]) -> str:
        """The parts one after the other become the object. Returns its ETag, the MD5 of it all."""
        folder = self.folder(key, upload_id)
        there = {part.number: part for part in self.parts(key, upload_id)}
        numbers = [number for number, _ in wanted]
        if numbers != sorted(set(numbers)):
            raise S3Error("InvalidPartOrder", 400, "The list of parts was not in ascending order.")
        for number, etag in wanted:
            if number not in there or there[number].etag != etag:
                raise S3Error(
                    "InvalidPart",
                    400,
                    f"Part {number} could not be found, or has another entity tag than {etag!r}.",
                )
        if sum(there[number].size for number in numbers) > limits.load().object_bytes:
            raise S3Error("EntityTooLarge", 400, "The object would be larger than 4 TB.")
        digest = hashlib.md5(usedforsecurity=False)
        with self._files.scratch() as (scratch, file):
            for number in numbers:
                with (folder / f"{number:05d}").open("rb") as part:
                    while piece := part.read(1 << 20):
                        digest.update(piece)
                        file.write(piece)
            remember(file, digest.hexdigest())
            self._files.keep(scratch, key)
        shutil.rmtree(folder, ignore_errors=True)
        return digest.hexdigest()

    def _find(self, upload_id: str) -> Upload:
        if not _ID.fullmatch(upload_id) or (self._files.uploads / upload_id).is_symlink():
            raise no_such_upload()
        try:
            record: dict[str, Any] = json.loads((self._files.uploads / upload_id / _RECORD).read_text())
            return Upload(upload_id, str(record["key"]), float(record["initiated"]))
        except (OSError, ValueError, KeyError) as error:
            raise no_such_upload() from error
