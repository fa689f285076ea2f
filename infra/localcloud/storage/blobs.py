"""What the registry keeps on disk: blobs by digest, uploads in progress, and which repository holds what.

    blobs/<algorithm>/<hex>                              content, written once, never changed
    uploads/<uuid>                                       bytes received so far; survives a restart, so can be resumed
    repositories/<name>/_blobs/<algorithm>-<hex>         empty: the repository holds this blob
    repositories/<name>/_manifests/<algorithm>-<hex>     the manifest's media type; its bytes are a blob
    repositories/<name>/_tags/<tag>                      the digest that the tag names

Everything that counts is written beside its place, synced and renamed into it, so a crash leaves the old state or the
new one. Names are checked by the routes before they come here.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
STALE_UPLOAD_S = 24 * 3600


class DigestMismatch(Exception):
    """The bytes received are not the bytes announced."""


class Upload:
    """One upload in progress. The hash runs along with the bytes, and is made again from the file after a restart."""

    def __init__(self, uuid: str, path: Path) -> None:
        self.uuid = uuid
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0
        self.turn = asyncio.Lock()  # held by the request that writes
        if self._file.tell():
            with path.open("rb") as received:
                while chunk := received.read(1 << 20):
                    self._hash.update(chunk)
                    self.size += len(chunk)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def digest(self, algorithm: str) -> str:
        if algorithm == "sha256":
            return f"sha256:{self._hash.hexdigest()}"
        with self.path.open("rb") as received:
            return f"{algorithm}:{hashlib.file_digest(received, algorithm).hexdigest()}"

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class BlobStore:
    """The files below `root`. All methods are synchronous; only `finish` and a resumed `upload` take long.

    What is no digest, and a name with `..`, is a ValueError here; the routes and the read API check first.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._repositories = root / "repositories"
        self._open: dict[str, Upload] = {}
        for folder in (self._blobs / "sha256", self._blobs / "sha512", self._uploads, self._repositories):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()

    # Blobs

    def blob_path(self, digest: str) -> Path | None:
        """The file with the content of `digest`, whichever repository holds it."""
        path = self._content(digest)
        return path if path.is_file() else None

    def holds(self, repo: str, digest: str) -> bool:
        return (self._repo(repo) / "_blobs" / _marker(digest)).exists() and self.blob_path(digest) is not None

    def link(self, repo: str, digest: str) -> None:
        marker = self._repo(repo) / "_blobs" / _marker(digest)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()

    def unlink(self, repo: str, digest: str) -> None:
        """The repository forgets the blob; the last one to do so deletes its content."""
        (self._repo(repo) / "_blobs" / _marker(digest)).unlink(missing_ok=True)
        self._collect(digest)

    # Uploads

    def begin(self) -> Upload:
        uuid = secrets.token_hex(16)
        upload = self._open[uuid] = Upload(uuid, self._uploads / uuid)
        return upload

    def upload(self, uuid: str) -> Upload | None:
        if uuid in self._open:
            return self._open[uuid]
        path = self._uploads / uuid
        if not path.is_file():
            return None
        upload = self._open[uuid] = Upload(uuid, path)
        return upload

    def finish(self, upload: Upload, repo: str, digest: str) -> None:
        """Make the upload a blob of `repo`. Raises DigestMismatch, and drops the upload, if it is other content."""
        received = upload.digest(digest.partition(":")[0])
        if received != digest:
            self.abort(upload)
            raise DigestMismatch(f"received {received} ({upload.size} bytes)")
        upload.sync()
        upload.close()
        self._open.pop(upload.uuid, None)
        os.replace(upload.path, self._content(digest))
        _sync_folder(self._content(digest).parent)
        self.link(repo, digest)

    def abort(self, upload: Upload) -> None:
        upload.close()
        self._open.pop(upload.uuid, None)
        upload.path.unlink(missing_ok=True)

    # Manifests and tags

    def put_manifest(self, repo: str, digest: str, media_type: str, content: bytes, tag: str | None) -> None:
        """The caller has checked that `digest` is that of `content`."""
        if self.blob_path(digest) is None:
            _write(self._content(digest), content)
        _write(self._repo(repo) / "_manifests" / _marker(digest), media_type.encode())
        if tag is not None:
            _write(self._repo(repo) / "_tags" / tag, digest.encode())

    def resolve(self, repo: str, reference: str) -> str | None:
        """The digest of a tag, or the digest itself; None for an unknown tag."""
        if ":" in reference:
            return reference
        with contextlib.suppress(FileNotFoundError):
            return (self._repo(repo) / "_tags" / reference).read_text()
        return None

    def manifest(self, repo: str, reference: str) -> tuple[str, bytes] | None:
        """Media type and bytes."""
        digest = self.resolve(repo, reference)
        if digest is None:
            return None
        path = self.blob_path(digest)
        with contextlib.suppress(FileNotFoundError):
            media_type = (self._repo(repo) / "_manifests" / _marker(digest)).read_text()
            return (media_type, path.read_bytes()) if path else None
        return None

    def delete_tag(self, repo: str, tag: str) -> None:
        (self._repo(repo) / "_tags" / tag).unlink(missing_ok=True)

    def delete_manifest(self, repo: str, digest: str) -> None:
        """The manifest and every tag that names it."""
        (self._repo(repo) / "_manifests" / _marker(digest)).unlink(missing_ok=True)
        for tag in self.tags(repo):
            if self.resolve(repo, tag) == digest:
                self.delete_tag(repo, tag)
        self._collect(digest)

    def manifests(self, repo: str) -> Iterator[tuple[str, str, bytes]]:
        """(digest, media type, bytes) of every manifest, by digest."""
        for name in _names(self._repo(repo) / "_manifests"):
            digest = name.replace("-", ":")
            found = self.manifest(repo, digest)
            if found:
                yield digest, *found

    def tags(self, repo: str) -> list[str]:
        return _names(self._repo(repo) / "_tags")

    def known(self, repo: str) -> bool:
        return self._repo(repo).is_dir()

    def repositories(self) -> list[str]:
        """Names of repositories with at least one manifest."""
        found = [
            str(folder.parent.relative_to(self._repositories))
            for folder in self._repositories.rglob("_manifests")
            if any(folder.iterdir())
        ]
        return sorted(found)

    def _repo(self, repo: str) -> Path:
        if ".." in repo or repo.startswith("/"):
            raise ValueError(f"not a repository name: {repo!r}")
        return self._repositories / repo

    def _content(self, digest: str) -> Path:
        return self._blobs.joinpath(*_marker(digest).split("-"))

    def _collect(self, digest: str) -> None:
        for kind in ("_blobs", "_manifests"):
            if any(self._repositories.rglob(f"{kind}/{_marker(digest)}")):
                return
        self._content(digest).unlink(missing_ok=True)

    def _sweep(self) -> None:
        oldest = time.time() - STALE_UPLOAD_S
        for path in self._uploads.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        for path in self.root.rglob(".*.partial"):
            path.unlink(missing_ok=True)


def _marker(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"not a digest: {digest!r}")
    return digest.replace(":", "-")


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
