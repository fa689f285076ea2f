"""A handler's directory on this disk: which files go into the image, and what must never go there."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.artifacts import globs
from infra.spec.errors import PilotlightError

IGNORE_FILE = ".pilotlightignore"
LIMIT_BYTES = 64 << 20
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "venv"}
_SECRET = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
    ".netrc", ".pypirc", ".npmrc", "credentials.json", "service-account*.json",
)  # fmt: skip
_HARMLESS = (".env.example", ".env.sample", ".env.template")


@dataclass
class Tree:
    """Files by POSIX path below the directory, and why it is refused."""

    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _hashes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def hashes(self) -> list[list[str]]:
        """[path, mode, SHA-256] of every file, read once: what the image's source hash is made of."""
        if not self._hashes:
            self._hashes = {
                name: (mode(path), _sha256(path.read_bytes())) for name, path in self.files.items()
            }
        return [[name, oct(bits), digest] for name, (bits, digest) in sorted(self._hashes.items())]

    def contents(self) -> Iterator[tuple[str, bytes, int]]:
        """(path, bytes, mode) of every file, the same bytes that were hashed. Raises `SourceChanged`."""
        self.hashes()
        for name, path in self.files.items():
            body = path.read_bytes()
            bits, digest = self._hashes[name]
            if _sha256(body) != digest:
                raise SourceChanged(
                    f"{path} changed while its image was being built", fix="Run `pulumi up` again."
                )
            yield name, body, bits


class SourceChanged(PilotlightError):
    """A file is not what it was when it was hashed."""


def handler_tree(directory: Path) -> Tree:
    """What of a handler's directory goes into the image: no hidden files, caches, or what `.pilotlightignore` names."""
    tree = Tree()
    lines = _ignore_lines(directory)
    total = 0
    for name, path in _walk(directory, directory):
        if globs.ignored(name, lines):
            continue
        if _is_secret(path):
            tree.problems.append(
                f"{name} looks like a secret, and whoever pulls the image could read it. "
                f"Fix: move it out and pass it as a secret, or name it in {IGNORE_FILE}"
            )
        elif path.name.startswith(".") or path.suffix == ".pyc":
            continue
        elif not path.resolve().is_relative_to(directory.resolve()) or not path.is_file():
            tree.problems.append(f"{name} links out of the directory, or to nothing. Fix: copy the file in")
        else:
            tree.files[name] = path
            total += path.stat().st_size
    if total > LIMIT_BYTES:
        tree.problems.append(
            f"holds {total >> 20} MiB; at most {LIMIT_BYTES >> 20} go into an image. Fix: stage weights as `Weights`"
        )
    return tree


def extra_files(given: dict[str, Path]) -> Tree:
    """Files and directories that the user names one by one, by their path in the image."""
    tree = Tree()
    for target, source in sorted(given.items()):
        place = target.strip("/")
        if not target.startswith("/") or ".." in place.split("/") or not place:
            tree.problems.append(f"{target!r} is no absolute path in the image")
        elif source.is_file():
            tree.files[place] = source
        elif source.is_dir():
            inside = handler_tree(source)
            tree.problems += [f"{source}: {problem}" for problem in inside.problems]
            tree.files |= {f"{place}/{name}": path for name, path in inside.files.items()}
        else:
            tree.problems.append(f"{source} does not exist")
    return tree


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def _walk(root: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Hidden files too (one of them may be a secret), but no hidden directory."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _SKIPPED_FOLDERS:
                yield from _walk(root, path)
        else:
            yield path.relative_to(root).as_posix(), path


def _is_secret(path: Path) -> bool:
    if not globs.matches(path.name, _SECRET) or globs.matches(path.name, _HARMLESS):
        return False
    if path.suffix != ".pem" or not path.is_file():
        return True
    head = path.read_bytes()[: 1 << 20]
    return b"BEGIN CERTIFICATE" not in head or b"PRIVATE KEY" in head


def _ignore_lines(directory: Path) -> list[str]:
    try:
        return (directory / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
