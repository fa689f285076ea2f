"""One layer of an image onto the disk, so that nothing in it can reach outside its own directory.

Members whose path climbs out or passes through a link are refused; links are rewritten to point inside the layer;
devices, sockets and owners are left out. Whiteouts are kept beside the layer for `tree.assemble`.
"""

import json
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.spec.errors import PilotlightError

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


class BadLayer(PilotlightError):
    """The layer is damaged, or tries what a layer must not."""


@dataclass(frozen=True)
class Layer:
    """`removed` paths of lower layers are hidden; of `opaque` directories nothing of lower layers shows."""

    root: Path
    removed: frozenset[str]
    opaque: frozenset[str]


def unpack(blob: Path, target: Path) -> Layer:
    """Unpack the tar (plain or gzip) at `blob` into `target`, once: an existing `target` is complete and kept."""
    notes = target.with_name(target.name + ".whiteouts.json")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
        try:
            removed, opaque = _extract(blob, scratch)
            if removed or opaque:
                notes.write_text(json.dumps({"removed": removed, "opaque": opaque}))
            scratch.chmod(0o755)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    hidden = json.loads(notes.read_text()) if notes.exists() else {}
    return Layer(target, frozenset(hidden.get("removed", ())), frozenset(hidden.get("opaque", ())))


def _extract(blob: Path, root: Path) -> tuple[list[str], list[str]]:
    removed: list[str] = []
    opaque: list[str] = []
    target = _Target(root)
    with _reading(blob), tarfile.open(blob, "r:*") as archive:
        for member in archive:
            path = _inside(member.name, member.name)
            folder, name = os.path.split(path)
            if name == OPAQUE:
                opaque.append(folder)
            elif name.startswith(WHITEOUT):
                removed.append(os.path.join(folder, name.removeprefix(WHITEOUT)))
            elif path:
                target.place(archive, member, path)
    return removed, opaque


class _Target:
    """The directory that a layer is unpacked into. `_folders` are known to be directories, not links to some."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = {""}

    def place(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        self._make_folder(os.path.dirname(path), member.name)
        where = self._root / path
        if member.isdir():
            if path not in self._folders:
                self._clear(path)
                where.mkdir(exist_ok=True)
                self._folders.add(path)
            return
        self._clear(path, folders=True)
        if member.issym():
            os.symlink(_link_inside(path, member.linkname), where)
        elif member.islnk():
            self._hard_link(path, member)
        elif member.isfile():
            content = archive.extractfile(member)
            if content is None:
                raise BadLayer(f"{member.name} has no content")
            with content, open(where, "xb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
                # Shared by all workers of all images, so nobody writes to it.
                os.fchmod(file.fileno(), stat.S_IMODE(member.mode) & 0o555 | 0o444)

    def _make_folder(self, folder: str, shown: str) -> None:
        """Every part of it must be a directory: writing through a link could end up anywhere."""
        if folder in self._folders:
            return
        self._make_folder(os.path.dirname(folder), shown)
        where = self._root / folder
        if where.is_symlink() or (where.exists() and not where.is_dir()):
            raise BadLayer(f"{shown} passes through {folder}, which is not a directory")
        where.mkdir(exist_ok=True)
        self._folders.add(folder)

    def _hard_link(self, path: str, member: tarfile.TarInfo) -> None:
        source = _inside(member.linkname, f"{member.name} -> {member.linkname}")
        self._make_folder(os.path.dirname(source), member.name)
        origin = self._root / source
        if origin.is_symlink() or not origin.is_file():
            raise BadLayer(
                f"{member.name} is a hard link to {member.linkname}, which is no file of this layer"
            )
        os.link(origin, self._root / path)

    def _clear(self, path: str, folders: bool = False) -> None:
        """A later member of the same path takes its place; a folder keeps what it has when it is only named again."""
        where = self._root / path
        try:
            mode = os.lstat(where).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            where.unlink()
        elif folders:
            shutil.rmtree(where)
            self._folders = {known for known in self._folders if not f"{known}/".startswith(f"{path}/")}


def _inside(path: str, shown: str) -> str:
    """Relative to the layer's root and normal; the root itself is ''."""
    plain = os.path.normpath(path.lstrip("/")) if path.strip("/") else "."
    if plain == ".." or plain.startswith("../") or "\0" in path:
        raise BadLayer(f"{shown} leads out of the image")
    return "" if plain == "." else plain


def _link_inside(path: str, target: str) -> str:
    """An absolute target counts from the image's root. Written anew without detours, so that no link in the middle
    can turn a `..` against us."""
    folder = os.path.dirname(path)
    plain = _inside(target if target.startswith("/") else os.path.join(folder, target), f"{path} -> {target}")
    return os.path.relpath(plain or ".", folder or ".")


@contextmanager
def _reading(blob: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError) as error:
        raise BadLayer(f"layer {blob.name[:19]} is not a readable tar (plain or gzip): {error}") from error
