"""A process in a mount namespace of its own: other folders at its paths, and a root file system if it has one.

Without a root of its own it sees this machine's, where a mount may still be at a path that the machine lacks: the
folders that need the new name are put together anew for it, and nothing on the machine changes.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix")
DEVICES = ("dev", "proc", "sys")
CANNOT_ENTER = 125  # the exit code of a process whose mounts failed; the reason is the last that it said

_ENTER = Path(__file__).with_name("enter.py")
_UNSHARE = ("--map-root-user", "--mount")


class Bind(NamedTuple):
    """A folder or file of this machine at another path."""

    source: str
    target: str
    read_only: bool = False


class Overlay(NamedTuple):
    """Folders over each other, the first on top. What is written goes to `upper`, which needs an empty folder `work`
    of the same file system beside it; without `upper` nothing can be written."""

    folders: tuple[str, ...]
    target: str
    upper: str = ""
    work: str = ""


Mount = Bind | Overlay


@cache
def refusal() -> str:
    """Why this machine allows no mount namespaces (containers often do not, macOS has none); "" where it does."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return f"{sys.platform} has no mount namespaces"
    unshare = shutil.which("unshare")
    if unshare is None:
        return "the program unshare (util-linux) is not installed"
    # A mount is part of the question: some kernels grant the namespace and refuse what it is for.
    probe = [unshare, *_UNSHARE, "mount", "-t", "tmpfs", "probe", "/tmp"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"mount namespaces cannot be tried: {error}"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return f"this kernel allows no mount namespaces ({said[-1] if said else f'code {done.returncode}'})"


def possible() -> bool:
    return not refusal()


def enclose(
    command: Sequence[str], spec: Path, mounts: Sequence[Mount], cwd: str, root: Path | None = None
) -> list[str]:
    """The command line that runs `command` with these mounts, later ones over earlier ones, in the folder `cwd` of what
    it then sees. Ask `refusal` first.

    `spec` is a file of the caller, written here and read when the process starts. `root` becomes its root file system,
    with missing mount points made in it; its program must be an absolute path there. Without `root`, an empty folder
    `<spec>.root` is made, over which the process, and nobody else, sees its root.
    """
    stage = root or spec.with_name(f"{spec.name}.root")
    stage.mkdir(parents=True, exist_ok=True)
    entries = [{"kind": type(mount).__name__.lower(), **mount._asdict()} for mount in mounts]
    spec.write_text(json.dumps({"root": str(stage), "own": root is not None, "cwd": cwd, "mounts": entries}))
    python = getattr(sys, "_base_executable", sys.executable)
    return ["unshare", *_UNSHARE, python, "-I", "-S", str(_ENTER), str(spec), *command]


def system_mounts(files: Path) -> list[Mount]:
    """This machine's system, read-only, for a root made of `files`: a folder that both have is put together from both,
    and links of the system are made in `files`."""
    mounts: list[Mount] = []
    for name in (*SYSTEM, *DEVICES):
        here = Path("/") / name
        if here.is_symlink() and not (files / name).exists():
            (files / name).symlink_to(os.readlink(here))
        elif here.is_dir():
            own = files / name
            mixed = own.is_dir() and any(own.iterdir())
            both = Overlay((str(own), str(here)), str(here))
            mounts.append(both if mixed else Bind(str(here), str(here), name not in DEVICES))
    # What /etc/resolv.conf links to, where systemd resolves names.
    resolver = Path("/run/systemd/resolve")
    return [*mounts, Bind(str(resolver), str(resolver), True)] if resolver.is_dir() else mounts


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
