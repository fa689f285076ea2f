"""The keys of a volume in S3's order (by bytes), a page at a time."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.localcloud.runpod.volumes.s3.files import Files, Item
from infra.localcloud.runpod.volumes.s3.limits import HIDDEN


@dataclass
class Page:
    """`last` is the key or prefix at which the next page goes on; "" when this is the last."""

    items: list[Item] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""


def page(files: Files, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """`after`: keys up to it, and prefixes that it is in, were listed before."""
    found = Page()
    end = ""
    for item in _walk(files, prefix, after, descend=delimiter != "/"):
        common = _common(item.key, prefix, delimiter)
        if common:
            if common <= after or (found.prefixes and found.prefixes[-1] == common):
                continue
        elif item.key <= after:
            continue
        if len(found.items) + len(found.prefixes) == limit:
            found.last = end
            return found
        if common:
            found.prefixes.append(common)
        else:
            found.items.append(item)
        end = common or item.key
    return found


def _common(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    place = key.find(delimiter, len(prefix))
    return key[: place + len(delimiter)] if place >= 0 else ""


def _walk(files: Files, prefix: str, after: str, *, descend: bool) -> Iterator[Item]:
    """In order. With a delimiter of "/" a directory is one item, whatever is in it."""
    folder = prefix.rpartition("/")[0]
    parts = folder.split("/")
    if folder and (parts[0] == HIDDEN or any(part in ("", ".", "..") for part in parts)):
        return
    start = files.root / folder
    # Only real directories have keys below them: a link to one could lead round in circles, or out.
    if Path(os.path.realpath(start)) != start or not start.is_dir():
        return
    base = f"{folder}/" if folder else ""
    if folder and prefix == base and base > after and not _names(files, start, base):
        yield Item(base, start, 0, start.stat().st_mtime, True)
    yield from _below(files, start, base, prefix, after, descend)


def _below(files: Files, folder: Path, base: str, prefix: str, after: str, descend: bool) -> Iterator[Item]:
    """Without recursion: directories may be nested deeper than Python's stack is."""
    left = [iter([(folder / name, f"{base}{name}") for name in _names(files, folder, base)])]
    while left:
        path, key = next(left[-1], (folder, ""))
        if not key:
            left.pop()
            continue
        if not key.startswith(prefix) or _passed(key, after):
            continue
        item = _item(files, path, key)
        if item is None:
            continue
        inside = _names(files, item.path, key) if item.is_folder and descend else []
        if inside:
            left.append(iter([(item.path / name, f"{key}{name}") for name in inside]))
        else:
            yield item


def _passed(key: str, after: str) -> bool:
    """Nothing from this key on, nor below it, comes after `after`."""
    return key <= after and not (key.endswith("/") and after.startswith(key))


def _names(files: Files, folder: Path, base: str) -> list[str]:
    """Sorted as their keys are: a directory counts with its slash."""
    try:
        with os.scandir(folder) as entries:
            found = [
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries
            ]
    except OSError:
        return []  # gone since
    return sorted(
        (name for name in found if base or name.rstrip("/") != HIDDEN), key=lambda name: os.fsencode(name)
    )


def _item(files: Files, path: Path, key: str) -> Item | None:
    try:
        info = path.lstat()
        if stat.S_ISDIR(info.st_mode):
            return Item(key, path, 0, info.st_mtime, True)
        if stat.S_ISLNK(info.st_mode):
            path = Path(os.path.realpath(path))
            info = path.stat()
            if files.root not in path.parents:
                return None
    except OSError:
        return None
    return Item(key, path, info.st_size, info.st_mtime) if stat.S_ISREG(info.st_mode) else None
