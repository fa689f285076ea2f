"""The manifest of staged weights: which files, how big, with which hash, under which key.

Keys in a bucket: `weights/blobs/sha256/<hex>` and, written last, `weights/manifests/sha256-<hex>.json`. A claim,
`weights/claims/sha256-<hex>/<mark>`, says which resource holds a manifest, so that one of two holders can leave.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from infra.spec.errors import PilotlightError

BLOBS = "weights/blobs/sha256/"
MANIFESTS = "weights/manifests/"
CLAIMS = "weights/claims/"
VERSION = 1
_DELETE_IT = "Delete that object, run `pulumi refresh`, then `pulumi up`: it is written again."


class ManifestError(PilotlightError):
    """A manifest in a bucket cannot be read."""


class StagedFile(NamedTuple):
    """One file of the weights: its path below the directory, in POSIX form."""

    path: str
    size: int
    sha256: str

    @property
    def key(self) -> str:
        return blob_key(self.sha256)


class Manifest(NamedTuple):
    """The files of one set of weights, sorted by path."""

    files: tuple[StagedFile, ...]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the canonical JSON of [[path, size, sha256], ...]."""
        rows = [[file.path, file.size, file.sha256] for file in self.files]
        return "sha256:" + hashlib.sha256(canonical(rows)).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        files = [{"path": f.path, "size": f.size, "sha256": f.sha256, "key": f.key} for f in self.files]
        return canonical({"version": VERSION, "digest": self.digest, "files": files})


def of(files: Iterable[StagedFile]) -> Manifest:
    return Manifest(tuple(sorted(files)))


def parse(raw: bytes, key: str) -> Manifest:
    """The manifest in these bytes. Raises `ManifestError` when it is not one or its digest is not that of its files."""
    try:
        data = json.loads(raw)
        files = of(StagedFile(file["path"], file["size"], file["sha256"]) for file in data["files"])
        claimed = data["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{key} is not a manifest of weights", fix="Run `pulumi refresh`, then `pulumi up`."
        ) from error
    if claimed != files.digest:
        raise ManifestError(
            f"{key} claims digest {claimed} but its files make {files.digest}",
            fix=_DELETE_IT,
        )
    return files


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def blob_key(sha256: str) -> str:
    return BLOBS + sha256


def manifest_key(digest: str) -> str:
    return f"{MANIFESTS}{digest.replace(':', '-')}.json"


def claim_prefix(digest: str) -> str:
    return f"{CLAIMS}{digest.replace(':', '-')}/"
