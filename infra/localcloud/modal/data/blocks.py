"""Blocks on their way into a volume: 8 MiB of a file each, without the zeros at their ends, named by content."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.localcloud.core.clock import Clock
from infra.localcloud.modal.errors import invalid

BLOCK = 8 << 20  # bytes
KEEP_S = 3600.0  # of an upload that was begun and not ended
NOTHING = hashlib.sha256(b"").digest()  # a block of zeros
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Planned:
    """A file as it will be. `blocks` are SHA-256 digests."""

    path: str
    size: int
    mode: int
    blocks: tuple[bytes, ...]


class Blocks:
    """`<folder>/<volume id>/<hex digest>`, until the upload that wanted it is complete."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._uploads: dict[tuple[str, frozenset[bytes]], float] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_up()

    def begin(self, volume_id: str, digests: frozenset[bytes]) -> None:
        """Keep these for an upload until it ends, or has not been heard of for an hour."""
        now = self._clock.now()
        self._uploads[volume_id, digests] = now
        for (other_id, wanted), since in list(self._uploads.items()):
            if since < now - KEEP_S:
                self.end(other_id, wanted)

    def end(self, volume_id: str, digests: frozenset[bytes]) -> None:
        self._uploads.pop((volume_id, digests), None)
        others = [wanted for other_id, wanted in self._uploads if other_id == volume_id]
        for digest in digests.difference(*others):
            self.path(volume_id, digest).unlink(missing_ok=True)

    def put(self, volume_id: str, digest: bytes, scratch: Path) -> None:
        """Its content is that of the scratch file, which goes."""
        if not any(digest in wanted for other_id, wanted in self._uploads if other_id == volume_id):
            self.begin(
                volume_id, frozenset({digest})
            )  # sent again after its upload has ended: it goes in an hour
        os.replace(scratch, self.path(volume_id, digest))

    def has(self, volume_id: str, digest: bytes) -> bool:
        return digest == NOTHING or self.path(volume_id, digest).is_file()

    def path(self, volume_id: str, digest: bytes) -> Path:
        return self._folder / volume_id / digest.hex()

    def scratch(self, volume_id: str) -> Path:
        """A new private file beside the blocks."""
        folder = self._folder / volume_id
        folder.mkdir(exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
        os.close(descriptor)
        return Path(name)

    def forget(self, volume_id: str) -> None:
        for key in [key for key in self._uploads if key[0] == volume_id]:
            del self._uploads[key]
        shutil.rmtree(self._folder / volume_id, ignore_errors=True)

    def assemble(self, volume_id: str, plan: Planned) -> Path:
        """The whole file, as a scratch file. Every block has to be there."""
        scratch = self.scratch(volume_id)
        try:
            with scratch.open("wb") as file:
                for index, digest in enumerate(plan.blocks):
                    if digest == NOTHING:
                        continue
                    file.seek(index * BLOCK)
                    with self.path(volume_id, digest).open("rb") as block:
                        shutil.copyfileobj(block, file, _CHUNK)
                    if file.tell() > min(plan.size, (index + 1) * BLOCK):
                        raise invalid(f"'{plan.path}': block {index} is longer than its part of the file")
                file.truncate(plan.size)
        except BaseException:
            scratch.unlink()
            raise
        return scratch

    def _take_up(self) -> None:
        """Uploads go on after a restart."""
        for path in self._folder.glob("*/*"):
            if path.suffix:
                path.unlink()
            else:
                self.begin(path.parent.name, frozenset({bytes.fromhex(path.name)}))


def check_plan(plan: Planned) -> None:
    """RpcError INVALID_ARGUMENT for blocks that do not make up the file."""
    needed = -(-plan.size // BLOCK)
    if len(plan.blocks) != needed:
        raise invalid(
            f"'{plan.path}' has {plan.size} bytes and so {needed} blocks, and {len(plan.blocks)} were named"
        )
    if any(len(digest) != hashlib.sha256().digest_size for digest in plan.blocks):
        raise invalid(f"'{plan.path}' has a block that is not named by a SHA-256 digest")


def holds(place: Path, plan: Planned) -> bool:
    """Whether the file is there already, byte for byte."""
    try:
        with place.open("rb") as file:
            if place.is_symlink() or os.fstat(file.fileno()).st_size != plan.size:
                return False
            return all(_digest(file.read(BLOCK)) == digest for digest in plan.blocks)
    except OSError:
        return False


def end_of(place: Path, start: int, length: int) -> int:
    """Where the zeros begin that this part of a file ends with; `start` if it has nothing else."""
    end = start + length
    with place.open("rb") as file:
        while end > start:
            begin = max(start, end - _CHUNK)
            file.seek(begin)
            kept = file.read(end - begin).rstrip(b"\0")
            if kept:
                return begin + len(kept)
            end = begin
    return start


def parts(start: int, length: int) -> Sequence[tuple[int, int]]:
    """(start, length) of each block's share of a part of a file."""
    found, end = [], start + length
    while start < end:
        edge = min(end, (start // BLOCK + 1) * BLOCK)
        found.append((start, edge - start))
        start = edge
    return found


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data.rstrip(b"\0")).digest()
