"""What a container with a root of its own sees of this machine: the system, read-only, and its Python."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix")
DEVICES = ("dev", "proc", "sys")


class Bind(NamedTuple):
    source: str
    target: str
    read_only: bool


def possible() -> bool:
    """Whether the kernel lets this user make mount namespaces (containers often may not, macOS has none)."""
    unshare = shutil.which("unshare")
    if unshare is None or not hasattr(os, "pidfd_open"):
        return False
    probe = ["mount", "-t", "tmpfs", "probe", "/tmp"]
    try:
        done = subprocess.run(
            [unshare, "--map-root-user", "--mount", *probe], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def system_binds(files: Path) -> list[Bind]:
    """A folder of the system that the container has files for is put together from both (source "a:b")."""
    binds = []
    for name in (*SYSTEM, *DEVICES):
        here = Path("/") / name
        if here.is_symlink() and not (files / name).exists():
            (files / name).symlink_to(os.readlink(here))
        elif here.is_dir():
            own = files / name
            mixed = own.is_dir() and any(own.iterdir())
            source = f"{own}:{here}" if mixed else str(here)
            binds.append(Bind(source, str(here), name not in DEVICES))
    # What /etc/resolv.conf links to, where systemd resolves names.
    resolver = Path("/run/systemd/resolve")
    return [*binds, Bind(str(resolver), str(resolver), True)] if resolver.is_dir() else binds


@cache
def python_folders(python: Path) -> tuple[Path, ...]:
    """The environment of this interpreter, what it is made from, and what its .pth files name; outermost only."""
    prefix, base = python.parent.parent, Path(os.path.realpath(python)).parent.parent
    found = {prefix, base}
    for site in prefix.glob("lib/python*/site-packages"):
        if site.is_symlink():
            found.add(site.resolve())
        for listing in site.glob("*.pth"):
            lines = (line.strip() for line in listing.read_text(errors="replace").splitlines())
            found |= {Path(line) for line in lines if line.startswith("/") and Path(line).is_dir()}
    found = {folder for folder in found if folder.parts[1] not in SYSTEM}
    return tuple(sorted(folder for folder in found if not any(other in folder.parents for other in found)))
