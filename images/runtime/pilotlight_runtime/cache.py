"""A content-addressed cache of files that all workers of a machine share: locks between processes, whole or absent.

<cache>/blobs/sha256/<hex>          a verified file, read-only
<cache>/blobs/sha256/<hex>.partial  a download in progress, with the parts it has in <hex>.parts
<cache>/weights/sha256-<hex>/       links, one set of weights, and its manifest beside it
<cache>/locks/<name>
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _mark_ns() -> int:
    """The modification time of a verified blob. Any later write changes it, and so does a boot of the machine, after
    which unwritten data may be lost: then the blob is hashed again. Otherwise a warm start reads no more than
    directory entries, however large the weights are, and a download need not wait for the disk."""
    boot = _BOOT_ID.read_bytes() if _BOOT_ID.exists() else b""
    return 10**9 + int.from_bytes(hashlib.sha256(boot).digest()[:8], "big") % 10**9


class Cache:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._mark_ns = _mark_ns()
        for name in ("blobs/sha256", "weights", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def blob(self, sha256: str) -> Path:
        return self.root / "blobs" / "sha256" / sha256

    def partial(self, sha256: str) -> Path:
        return self.root / "blobs" / "sha256" / f"{sha256}.partial"

    def parts(self, sha256: str) -> Path:
        return self.root / "blobs" / "sha256" / f"{sha256}.parts"

    def links(self, digest: str) -> Path:
        return self.root / "weights" / digest.replace(":", "-")

    def manifest(self, digest: str) -> Path:
        return self.root / "weights" / f"{digest.replace(':', '-')}.json"

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold `name` against every thread and process that shares the cache; it is free again if the holder dies."""
        with open(self.root / "locks" / name, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def intact(self, sha256: str, size: int) -> bool:
        """Whether the blob is here and is as it was verified."""
        try:
            stat = self.blob(sha256).stat()
        except FileNotFoundError:
            return False
        return stat.st_size == size and stat.st_mtime_ns == self._mark_ns

    def recheck(self, sha256: str, size: int) -> bool:
        """Hash a blob that was touched; drop it when it is not what its name says. Call with its lock held."""
        blob = self.blob(sha256)
        if not blob.exists():
            return False
        if blob.stat().st_size == size and hash_file(blob) == sha256:
            os.utime(blob, ns=(self._mark_ns, self._mark_ns))
            return True
        blob.unlink()
        return False

    def keep(self, sha256: str) -> None:
        """Make the partial file, found to be whole and right, the blob."""
        partial = self.partial(sha256)
        partial.chmod(0o444)
        os.utime(partial, ns=(self._mark_ns, self._mark_ns))
        partial.replace(self.blob(sha256))
        self.parts(sha256).unlink(missing_ok=True)

    def discard(self, sha256: str) -> None:
        self.partial(sha256).unlink(missing_ok=True)
        self.parts(sha256).unlink(missing_ok=True)

    def link(self, digest: str, files: list[tuple[str, str]]) -> Path:
        """The directory with a link for each (path, sha256), made whole or not at all."""
        directory = self.links(digest)
        targets = {path: os.path.relpath(self.blob(sha), (directory / path).parent) for path, sha in files}
        with self.lock(directory.name):
            if _linked(directory, targets):
                return directory
            _remove(directory)
            building = directory.with_name(f"{directory.name}.new")
            _remove(building)
            for path, target in targets.items():
                (building / path).parent.mkdir(parents=True, exist_ok=True)
                (building / path).symlink_to(target)
            building.mkdir(exist_ok=True)
            building.rename(directory)
        return directory


def hash_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _linked(directory: Path, targets: dict[str, str]) -> bool:
    try:
        return all(os.readlink(directory / path) == target for path, target in targets.items())
    except OSError:
        return False


def _remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)
