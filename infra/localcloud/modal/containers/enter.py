"""Moves into a container's root and becomes its program: `unshare … python -I -S enter.py SPEC COMMAND…`.

Imports nothing of the project. The spec is JSON: `root`, `cwd`, and `binds` of (source, target, read-only),
where a source "a:b" is both, a over b.
"""

import ctypes
import json
import os
import signal
import sys

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
PR_SET_PDEATHSIG = 1
# What a remount must not take away, by its name in statvfs.
KEPT = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}

libc = ctypes.CDLL(None, use_errno=True)


def main(spec_path: str, command: list[str]) -> None:
    with open(spec_path) as file:
        spec = json.load(file)
    root = spec["root"]
    for source, target, read_only in spec["binds"]:
        bind(source, root + target, read_only)
    # The mapped user is a new one to the kernel, which has forgotten whose death we follow; it may have come already.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chroot(root)
    os.makedirs(spec["cwd"], exist_ok=True)
    os.chdir(spec["cwd"])
    os.execv(command[0], command)


def bind(source: str, target: str, read_only: bool) -> None:
    above, both, below = source.partition(":")
    make_place(target, os.path.isdir(below or above))
    if both:
        mount("overlay", target, "overlay", 0, f"lowerdir={above}:{below}")
        return
    mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        flags = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in KEPT.items() if flags & bit)
        mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def make_place(target: str, folder: bool) -> None:
    if os.path.lexists(target):
        return
    os.makedirs(target if folder else os.path.dirname(target), exist_ok=True)
    if not folder:
        open(target, "w").close()


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None):
        code = ctypes.get_errno()
        sys.exit(f"cannot mount {source} at {target}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
