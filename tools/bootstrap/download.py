"""The official release of the Pulumi CLI, checked against the checksums that are published with it."""

import hashlib
import http.client
import os
import platform
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bootstrap.console import Step
from bootstrap.places import PULUMI

BASE = "https://get.pulumi.com/releases/sdk"
REACH_S = 5.0  # until the first file must be here
STALL_S = 20.0  # without a byte of the second
T = TypeVar("T")


class Unavailable(Exception):
    """The release cannot be had from here, or is not what was published."""


def pulumi(into: Path, step: Step) -> None:
    """Fetch, verify and unpack the release into `into`/bin. Raises Unavailable, soon where there is no way out."""
    base = os.environ.get("PILOTLIGHT_PULUMI_RELEASES", BASE).rstrip("/")
    name = f"pulumi-v{PULUMI}-{_system()}.tar.gz"
    listing = _within(REACH_S, lambda: _get(f"{base}/pulumi-{PULUMI}-checksums.txt", REACH_S)).decode(
        errors="replace"
    )
    wanted = next((line.split()[0] for line in listing.splitlines() if line.split()[1:] == [name]), None)
    if wanted is None:
        raise Unavailable(f"the published checksums name no {name}")
    archive = into / name
    found = _fetch(f"{base}/{name}", archive, step)
    if found != wanted.lower():
        raise Unavailable(f"{name} has SHA-256 {found[:16]}…, and {wanted[:16]}… is published; not used")
    _unpack(archive, into / "bin")
    archive.unlink()


def _unpack(archive: Path, into: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.isfile():
                    member.name = Path(member.name).name  # the archive keeps all in one directory, pulumi/
                    tar.extract(member, into, filter="data")
    except tarfile.TarError as error:
        raise Unavailable(f"{archive.name} cannot be unpacked: {error}") from error
    if not os.access(into / "pulumi", os.X_OK):
        raise Unavailable(f"{archive.name} holds no program pulumi")


def _fetch(url: str, path: Path, step: Step) -> str:
    sha, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=STALL_S) as response, path.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(1 << 18):
                sha.update(chunk)
                size += file.write(chunk)
                step.note(f"downloading, {size >> 20} of {total >> 20} MiB")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"{url}: {error}") from error
    if total and size != total:
        raise Unavailable(f"{url} ended after {size} of {total} bytes")
    return sha.hexdigest()


def _get(url: str, timeout_s: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        return bytes(response.read(1 << 20))


def _within(seconds: float, action: Callable[[], T]) -> T:
    """A name server that does not answer is not covered by urllib's timeout."""
    box: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            box.append(action())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if box:
        return box[0]
    if not errors:
        raise Unavailable(f"no answer in {seconds:.0f} s")
    raise Unavailable(str(getattr(errors[0], "reason", "") or errors[0]))


def _system() -> str:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), ""
    )
    return f"{sys.platform}-{machine}"
