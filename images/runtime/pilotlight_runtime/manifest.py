"""The list of a model's files, as staged: read, and held to the digest in its own name."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from .errors import StartError

LIMIT_BYTES = 16 * 2**20
_URI = re.compile(r"s3://([^/]+)/(.*/)?sha256-([0-9a-f]{64})\.json")


@dataclass(frozen=True)
class File:
    path: str
    size: int
    sha256: str
    key: str


@dataclass(frozen=True)
class Address:
    """Where a manifest lies; `digest` is what its content must amount to."""

    bucket: str
    key: str
    digest: str


def address(uri: str) -> Address:
    found = _URI.fullmatch(uri)
    if not found:
        raise StartError(
            f"PILOTLIGHT_WEIGHTS is {uri!r}; wanted s3://<bucket>/weights/manifests/sha256-<hex>.json"
        )
    bucket = found.group(1)
    return Address(bucket, uri.removeprefix(f"s3://{bucket}/"), f"sha256:{found.group(3)}")


def parse(data: bytes, where: Address) -> list[File]:
    """Files in the manifest's order. Raises StartError when it is not the manifest that its address names."""
    try:
        content = json.loads(data)
        files = [_file(entry) for entry in content["files"]]
        version = content["version"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad(where, f"not a manifest ({type(error).__name__}: {error})") from None
    if version != 1:
        raise _bad(where, f"version {version!r}, and this worker reads version 1")
    rows = [[f.path, f.size, f.sha256] for f in files]
    canonical = json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()
    digest = f"sha256:{hashlib.sha256(canonical).hexdigest()}"
    if digest != where.digest:
        raise _bad(where, f"its files amount to {digest}")
    paths = {f.path for f in files}
    both = next((path for path in paths if any(str(up) in paths for up in PurePosixPath(path).parents)), None)
    if both:
        raise _bad(where, f"{both!r} lies below a path that is a file")
    if len(paths) != len(files):
        raise _bad(where, "a path is listed twice")
    return files


def _file(entry: Any) -> File:
    file = File(entry["path"], entry["size"], entry["sha256"], entry["key"])
    parts = file.path.split("/")
    if not file.path.isprintable() or "\\" in file.path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"path {file.path!r} leaves the weights' directory")
    if type(file.size) is not int or file.size < 0:
        raise ValueError(f"size {file.size!r} of {file.path}")
    if not re.fullmatch("[0-9a-f]{64}", file.sha256):
        raise ValueError(f"sha256 {file.sha256!r} of {file.path}")
    if not isinstance(file.key, str) or not file.key:
        raise ValueError(f"key {file.key!r} of {file.path}")
    return file


def _bad(where: Address, why: str) -> StartError:
    return StartError(f"manifest s3://{where.bucket}/{where.key}: {why}. Stage the weights again: pulumi up")
