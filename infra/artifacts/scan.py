"""A directory of weights on this disk: which files are meant, and every reason to refuse them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.artifacts import globs, safetensors, shard_index
from infra.artifacts.hashing import HashCache
from infra.artifacts.manifest import Manifest, StagedFile, of
from infra.artifacts.pickle_magic import pickle_kind

_INDEX = ".safetensors.index.json"
_LISTED = 20


@dataclass
class Scan:
    """The files found, by POSIX path below the directory, and what is wrong with them."""

    root: Path
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def manifest(self, cache: HashCache) -> Manifest:
        """Hashes every file that the cache does not know: about half a second a gigabyte."""
        return of(
            StagedFile(name, path.stat().st_size, cache.sha256(path)) for name, path in self.files.items()
        )


def scan(root: Path, include: Sequence[str], exclude: Sequence[str], *, allow_pickle: bool = False) -> Scan:
    """Walk `root` (hidden files left out), check every file by its content. Reads headers only."""
    found = Scan(root)
    if not root.is_dir():
        found.problems.append(_not_a_directory(root))
        return found
    for name, path in _walk(root):
        if not globs.matches(name, include) or globs.matches(name, exclude):
            continue
        reason = _link_problem(root, path)
        if reason is None:
            found.files[name] = path
        else:
            found.problems.append(f"{name} {reason}")
    for name, path in found.files.items():
        found.problems += [
            f"{name} {reason}" for reason in _content_problems(found, name, path, allow_pickle)
        ]
    if not found.problems and not any(name.endswith(".safetensors") for name in found.files):
        found.problems.append(_nothing_found(root, found, include, exclude))
    return _shortened(found)


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted([*files, *(name for name in folders if Path(folder, name).is_symlink())]):
            if not name.startswith("."):
                path = Path(folder, name)
                yield path.relative_to(root).as_posix(), path


def _link_problem(root: Path, path: Path) -> str | None:
    target = path.resolve()
    if not target.exists():
        return "is a link to nothing"
    if not target.is_relative_to(root.resolve()):
        return (
            f"is a link out of the directory, to {target}. Copy the files in: cp -rL {root} <new directory>"
        )
    if path.is_symlink() and target.is_dir():
        return "is a link to a directory. Copy the files in, or leave it out with `exclude`"
    if not target.is_file():
        return "is not a plain file"
    if not os.access(target, os.R_OK):
        return "cannot be read by this user"
    return None


def _content_problems(found: Scan, name: str, path: Path, allow_pickle: bool) -> list[str]:
    if path.stat().st_size == 0:
        return ["is empty"]
    kind = None if allow_pickle else pickle_kind(path)
    if kind is not None:
        return [
            f"is {kind}, which can run code when it is loaded. Leave it out with `exclude`, or convert it to safetensors"
        ]
    if name.endswith(".safetensors"):
        return safetensors.problems(path)
    if name.endswith(_INDEX):
        return shard_index.problems(path, _shards_beside(found, path))
    return []


def _shards_beside(found: Scan, index: Path) -> dict[str, Path]:
    return {
        path.name: path
        for path in found.files.values()
        if path.parent == index.parent and path.suffix == ".safetensors"
    }


def _not_a_directory(root: Path) -> str:
    state = "is a file, not a directory" if root.exists() else "does not exist"
    return f"{root} {state}. Wanted: a directory with .safetensors files"


def _nothing_found(root: Path, found: Scan, include: Sequence[str], exclude: Sequence[str]) -> str:
    if not found.files:
        return f"{root} has no file to stage (include {list(include)}, exclude {list(exclude)}, hidden files left out)"
    return f"{root} has {len(found.files)} files but none ends in .safetensors"


def _shortened(found: Scan) -> Scan:
    extra = len(found.problems) - _LISTED
    if extra > 0:
        found.problems[_LISTED:] = [f"and {extra} more"]
    return found
