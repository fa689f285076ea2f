"""The files of a volume as objects: where a key lies, and that it lies inside."""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from infra.localcloud.runpod.volumes.s3.errors import S3Error, bad_request, no_such_key
from infra.localcloud.runpod.volumes.s3.limits import HIDDEN

_ETAG = "user.pilotlight.md5"  # of the size and time of change that it names


@dataclass(frozen=True)
class Item:
    """An object: a file, or a directory that has nothing in it (whose key ends with a slash)."""

    key: str
    path: Path
    size: int
    modified: float
    is_folder: bool = False

    def etag(self) -> str:
        return hashlib.md5(usedforsecurity=False).hexdigest() if self.is_folder else etag_of(self.path)


class Files:
    """One volume. Its paths are resolved before they are used, so that no link in it leads elsewhere."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._uploads = self.root / HIDDEN

    @property
    def uploads(self) -> Path:
        """The hidden directory, which workers see and could put a link in the place of. Raises S3Error."""
        if self._uploads.is_symlink():
            raise S3Error("AccessDenied", 403, f"{HIDDEN} of this volume is a link; it must be a directory")
        return self._uploads

    def find(self, key: str) -> Item:
        """Raises S3Error: NoSuchKey."""
        path = self.place(key, reading=True)
        real = Path(os.path.realpath(path))
        self._inside(real)
        info = real.stat()
        if stat.S_ISDIR(info.st_mode) != key.endswith("/"):
            raise no_such_key()
        if stat.S_ISDIR(info.st_mode):
            return Item(key, real, 0, info.st_mtime, True)
        if not stat.S_ISREG(info.st_mode):
            raise no_such_key()
        return Item(key, real, info.st_size, info.st_mtime)

    def place(self, key: str, *, reading: bool = False) -> Path:
        """Where the object is or would be. Raises S3Error for a key that cannot be a path in the volume."""
        parts = key.removesuffix("/").split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in key:
            raise bad_request(
                "On a network volume a key is a path: it has no empty part, none that is '.' or '..', and no NUL"
            )
        if len(key.encode("utf-8", "surrogateescape")) > 1024:
            raise S3Error("KeyTooLongError", 400, "Your key is too long: 1024 bytes are allowed.")
        if parts[0] == HIDDEN:
            raise no_such_key() if reading else S3Error("AccessDenied", 403, f"{HIDDEN} is the API's own")
        folder = Path(os.path.realpath(self.root.joinpath(*parts[:-1])))
        self._inside(folder)
        return folder / parts[-1]

    def delete(self, key: str) -> None:
        """Of a directory only if nothing is in it; what is not there is fine."""
        path = self.place(key)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            if not key.endswith("/"):
                path.unlink()
            elif not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.rmdir()

    def make_folder(self, key: str) -> None:
        self._parents(self.place(key) / "x")

    def keep(self, scratch: Path, key: str) -> None:
        """Put a finished file in its place, at once. Raises S3Error."""
        path = self.place(key)
        self._parents(path)
        try:
            os.replace(scratch, path)
        except IsADirectoryError:
            raise S3Error("InvalidRequest", 409, f"{key} is a directory of the volume") from None

    @contextlib.contextmanager
    def scratch(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file, gone afterwards unless it was kept."""
        self.uploads.mkdir(exist_ok=True, mode=0o700)
        path = self.uploads / f"put-{secrets.token_hex(8)}"
        try:
            with path.open("xb") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def forget_scratch(self) -> None:
        """What a daemon left that was killed."""
        if not self._uploads.is_symlink():
            for path in self._uploads.glob("put-*"):
                path.unlink(missing_ok=True)

    def _parents(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise S3Error(
                "InvalidRequest", 409, "A part of the key before its last '/' is a file of the volume"
            ) from None

    def _inside(self, real: Path) -> None:
        if real != self.root and self.root not in real.parents:
            raise S3Error("AccessDenied", 403, "Access Denied: a link on the way leads out of the volume")


def etag_of(path: Path) -> str:
    """MD5 of a file, remembered with it where the file system can; RunPod computes it at the first look, too."""
    with path.open("rb") as file:
        return etag_of_open(file)


def etag_of_open(file: BufferedReader) -> str:
    known = _remembered(file)
    if known:
        return known
    digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    remember(file, digest)
    return digest


def remember(file: BinaryIO, digest: str) -> None:
    """After the last write."""
    if file.writable():
        file.flush()
    with contextlib.suppress(OSError):
        os.setxattr(file.fileno(), _ETAG, f"{_state(file)} {digest}".encode())


def _remembered(file: BinaryIO) -> str:
    try:
        state, _, digest = os.getxattr(file.fileno(), _ETAG).decode().partition(" ")
    except OSError:
        return ""
    return digest if state == _state(file) else ""


def _state(file: BinaryIO) -> str:
    info = os.fstat(file.fileno())
    return f"{info.st_size}-{info.st_mtime_ns}"


async def store(pieces: AsyncIterator[bytes], file: BinaryIO) -> str:
    """Returns the MD5. Written where we are: a piece goes to the page cache, which is quicker than a thread."""
    digest = hashlib.md5(usedforsecurity=False)
    async for piece in pieces:
        digest.update(piece)
        file.write(piece)
    remember(file, digest.hexdigest())
    return digest.hexdigest()
