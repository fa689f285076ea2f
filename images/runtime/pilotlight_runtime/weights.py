"""Bring staged weights to this machine: from the cache when they are there, else in parallel ranges, always verified."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from . import manifest
from .cache import Cache
from .errors import StartError
from .manifest import Address, File
from .objects import CHUNK_BYTES, Store

PART_BYTES = 16 * 2**20
CONNECTIONS = 12
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Weights:
    """A directory of links to verified files; `fetched_bytes` is what came over the network for it."""

    directory: Path
    size_bytes: int
    fetched_bytes: int


def fetch(uri: str, root: Path, store: Callable[[], Store], *, part_bytes: int = PART_BYTES) -> Weights:
    """The weights that the manifest at `uri` lists. `store` is only called when something has to be fetched.

    Two workers at once fetch each file once; a download that was cut off goes on. Raises StartError.
    """
    where = manifest.address(uri)
    try:
        return _fetch(where, Cache(root), store, part_bytes)
    except OSError as error:
        if error.errno in _FULL:
            raise StartError(_full(root, "it is full")) from None
        raise StartError(f"the weights' cache {root} cannot be used: {error}. Set PILOTLIGHT_CACHE") from None


def _fetch(where: Address, cache: Cache, store: Callable[[], Store], part_bytes: int) -> Weights:
    files = _manifest(where, cache, store)
    blobs = {file.sha256: file for file in files}
    missing = [file for file in blobs.values() if not cache.intact(file.sha256, file.size)]
    fetched = 0
    if missing:
        _check_space(missing, cache)
        with _Fetcher(where.bucket, cache, store(), part_bytes) as fetcher:
            fetched = fetcher.obtain(missing)
    directory = cache.link(where.digest, [(file.path, file.sha256) for file in files])
    return Weights(directory, sum(file.size for file in files), fetched)


def _manifest(where: Address, cache: Cache, store: Callable[[], Store]) -> list[File]:
    kept = cache.manifest(where.digest)
    try:
        return manifest.parse(kept.read_bytes(), where)
    except (FileNotFoundError, StartError):
        pass
    data = store().read(where.bucket, where.key, manifest.LIMIT_BYTES)
    files = manifest.parse(data, where)
    with cache.lock(kept.name):
        new = kept.with_suffix(".new")
        new.write_bytes(data)
        new.replace(kept)
    return files


def _check_space(missing: list[File], cache: Cache) -> None:
    have = sum(_allocated(cache.partial(file.sha256)) for file in missing)
    need, free = sum(file.size for file in missing) - have, shutil.disk_usage(cache.root).free
    if need > free:
        raise StartError(_full(cache.root, f"the weights need {need:,} more bytes and {free:,} are free"))


def _allocated(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def _full(root: Path, why: str) -> str:
    return (
        f"no room for the weights in {root}: {why}. Give the endpoint a larger disk, or set PILOTLIGHT_CACHE"
    )


class _Fetcher:
    """Fetches several files, each in parts, over a bounded number of connections; the first failure stops all."""

    def __init__(self, bucket: str, cache: Cache, store: Store, part_bytes: int) -> None:
        self._bucket, self._cache, self._store, self._part_bytes = bucket, cache, store, part_bytes
        self._parts = ThreadPoolExecutor(CONNECTIONS, "part")
        self._files = ThreadPoolExecutor(4, "file")
        self._stopped = threading.Event()

    def __enter__(self) -> "_Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for pool in (self._files, self._parts):
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # after a failure a thread may still wait for a lock

    def obtain(self, files: list[File]) -> int:
        """Bytes fetched. Largest first, so that no long file is left for the end."""
        order = sorted(files, key=lambda file: -file.size)
        futures = [self._files.submit(self._one, file) for file in order]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for error in (future.exception() for future in done):
            if error is not None:
                raise error
        return sum(future.result() for future in futures)

    def _one(self, file: File) -> int:
        with self._cache.lock(file.sha256):
            if self._cache.intact(file.sha256, file.size) or self._cache.recheck(file.sha256, file.size):
                return 0
            for resumed in (self._cache.partial(file.sha256).exists(), False):
                digest, fetched = self._download(file)
                if digest == file.sha256:
                    self._cache.keep(file.sha256)
                    return fetched
                self._cache.discard(file.sha256)
                if not resumed:
                    break
        raise StartError(
            f"{file.path} in bucket {self._bucket!r} is corrupt: its SHA-256 is {digest}, the manifest says {file.sha256}. "
            "Stage the weights again: pulumi refresh, then pulumi up"
        )

    def _download(self, file: File) -> tuple[str, int]:
        """SHA-256 of the partial file once whole, hashed in order while later parts still arrive; bytes fetched."""
        partial = self._cache.partial(file.sha256)
        done = self._done(file)
        with open(partial, "r+b" if done else "w+b") as out:
            out.truncate(file.size)
            ranges = [
                (at, min(at + self._part_bytes, file.size)) for at in range(0, file.size, self._part_bytes)
            ]
            waiting: dict[int, Future[None]] = {
                start: self._parts.submit(self._part, file, start, stop)
                for start, stop in ranges
                if start not in done
            }
            digest = hashlib.sha256()
            for start, stop in ranges:
                if start in waiting:
                    waiting[start].result()
                for at in range(start, stop, CHUNK_BYTES):
                    digest.update(os.pread(out.fileno(), min(CHUNK_BYTES, stop - at), at))
        return digest.hexdigest(), sum(stop - start for start, stop in ranges if start in waiting)

    def _part(self, file: File, start: int, stop: int) -> None:
        with open(self._cache.partial(file.sha256), "r+b", buffering=0) as out:

            def put(offset: int, chunk: memoryview) -> None:
                if self._stopped.is_set():
                    raise StartError("stopped")
                while chunk:
                    written = os.pwrite(out.fileno(), chunk, offset)
                    chunk, offset = chunk[written:], offset + written

            self._store.read_range(self._bucket, file.key, start, stop, put)
        with open(self._cache.parts(file.sha256), "ab", buffering=0) as journal:
            journal.write(b"%d\n" % start)

    def _done(self, file: File) -> set[int]:
        """Starts of the parts that an earlier, cut-off download already has. The part size is the journal's first line."""
        journal, head = self._cache.parts(file.sha256), b"%d\n" % self._part_bytes
        try:
            lines = journal.read_bytes().splitlines(keepends=True)
            if lines[0] == head and self._cache.partial(file.sha256).stat().st_size == file.size:
                return {int(line) for line in lines[1:] if line.endswith(b"\n")}
        except (FileNotFoundError, IndexError, ValueError):
            pass
        journal.write_bytes(head)
        return set()
