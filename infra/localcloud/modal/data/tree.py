"""The files of one volume: a plain folder, which containers mount, so that nothing in a path or a link leads out."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.rpc import RpcError

FILE_MODE = 0o644
_TYPES = {
    stat.S_IFREG: api_pb2.FileEntry.FILE,
    stat.S_IFDIR: api_pb2.FileEntry.DIRECTORY,
    stat.S_IFLNK: api_pb2.FileEntry.SYMLINK,
    stat.S_IFIFO: api_pb2.FileEntry.FIFO,
    stat.S_IFSOCK: api_pb2.FileEntry.SOCKET,
}


class Tree:
    """Paths are as clients send them: "/a/b", "a/b" and "./a//b" are the same. Every refusal is an RpcError."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def place(self, path: str) -> Path:
        """Where it is, or would be. Links among its folders are followed, as long as they stay inside; it itself is
        not."""
        names = [name for name in path.split("/") if name not in ("", ".")]
        if ".." in names or "\0" in path:
            raise invalid(f"'{path}' leads out of the volume")
        if not names:
            return self.root
        with refusing(path):
            folder = Path(os.path.realpath(self.root.joinpath(*names[:-1])))
        self._check_inside(folder, path)
        return folder / names[-1]

    def file(self, path: str) -> Path:
        """A file that is there, behind its links."""
        with refusing(path):
            found = Path(os.path.realpath(self.place(path), strict=True))
            self._check_inside(found, path)
            if found.is_dir():
                raise invalid(f"'{path}' is a folder, not a file")
            if not found.is_file():
                raise invalid(f"'{path}' is no plain file")
        return found

    def entries(self, path: str, recursive: bool, limit: int = 0) -> list[api_pb2.FileEntry]:
        """What is in a folder, folders before what they hold, by name; for a file, itself. Paths are from the root."""
        place = self.place(path)
        with refusing(path):
            found = place.lstat()
            if stat.S_ISLNK(found.st_mode) and place.is_dir():
                place = Path(os.path.realpath(place))
                self._check_inside(place, path)
                found = place.lstat()
            if not stat.S_ISDIR(found.st_mode):
                return [self._entry(place, found)]
            entries = []
            for item in _walk(place, recursive):
                entries.append(self._entry(Path(item.path), item.stat(follow_symlinks=False)))
                if limit and len(entries) >= limit:
                    break
        return entries

    def remove(self, path: str, recursive: bool) -> None:
        """Of the root, all that is in it."""
        place = self.place(path)
        with refusing(path):
            if not stat.S_ISDIR(place.lstat().st_mode):
                place.unlink()
            elif not recursive:
                raise invalid(f"'{path}' is a folder: say that it is to be removed with all that is in it")
            elif place == self.root:
                for name in os.listdir(place):
                    self.remove(name, recursive)
            else:
                shutil.rmtree(place)

    def copy(self, sources: Sequence[str], target: str, recursive: bool) -> None:
        """As cp does. Links are copied as links."""
        aim = self.place(target)
        into = aim.is_dir() or target.endswith("/")
        if len(sources) > 1 and not aim.is_dir():
            raise invalid(f"'{target}' has to be a folder, to copy {len(sources)} files to it")
        pairs = []
        for source in sources:
            place = self.place(source)
            with refusing(source):
                folder = stat.S_ISDIR(place.lstat().st_mode)
            if folder and not recursive:
                raise invalid(f"'{source}' is a folder: say that it is to be copied with all that is in it")
            end = aim / place.name if into else aim
            if end == place or (folder and end.is_relative_to(place)):
                raise invalid(f"'{source}' cannot be copied onto or into itself")
            if end.is_dir() and not folder:
                raise invalid(f"'{target}' has a folder of the name {place.name}")
            if folder and end.exists() and not end.is_dir():
                raise invalid(f"'{target}' is a file, and '{source}' a folder")
            pairs.append((place, end, folder))
        for place, end, folder in pairs:
            with refusing(target):
                end.parent.mkdir(parents=True, exist_ok=True)
                if folder:
                    shutil.copytree(place, end, symlinks=True, dirs_exist_ok=True)
                else:
                    shutil.copy2(place, end, follow_symlinks=False)

    def check_free(self, path: str, overwrite: bool) -> Path:
        """Where a file can be put. Its folders need not be there."""
        place = self.place(path)
        if place == self.root or path.endswith("/"):
            raise invalid(f"'{path}' names a folder, not a file")
        with refusing(path):
            if place.is_dir():
                raise invalid(f"'{path}' is a folder, which no file can replace")
            if os.path.lexists(place) and not overwrite:
                raise RpcError(
                    Status.ALREADY_EXISTS,
                    f"'{path}' already exists. Force it, if the file is to be overwritten",
                )
            for parent in place.parents:
                if parent.is_dir():
                    break
                if os.path.lexists(parent):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return place

    def take(self, scratch: Path, path: str, mode: int) -> None:
        """Move a finished file to its place, in one step. Its owner can always change it."""
        place = self.check_free(path, overwrite=True)
        with refusing(path):
            scratch.chmod((mode or FILE_MODE) & 0o777 | 0o600)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch, place)

    def _entry(self, place: Path, found: os.stat_result) -> api_pb2.FileEntry:
        kind = _TYPES.get(stat.S_IFMT(found.st_mode), api_pb2.FileEntry.UNSPECIFIED)
        name = os.fsencode(place.relative_to(self.root)).decode(errors="replace")
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        return api_pb2.FileEntry(path=name, type=kind, mtime=int(found.st_mtime), size=size)

    def _check_inside(self, place: Path, path: str) -> None:
        if not place.is_relative_to(self.root):
            raise invalid(f"'{path}' goes through a link that leads out of the volume")


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """What the file system refuses, said to the client."""
    try:
        yield
    except FileNotFoundError:
        raise not_found(f"No such file or folder: '{path}'") from None
    except NotADirectoryError:
        raise invalid(f"'{path}' has a file among its folders") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RpcError(
                Status.RESOURCE_EXHAUSTED, f"No room for '{path}' on this machine: {error.strerror}"
            ) from None
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR):
            raise invalid(f"'{path[:200]}': {error.strerror}") from None
        raise


def _walk(folder: Path, recursive: bool) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        yield item
        if recursive and item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path), recursive)
