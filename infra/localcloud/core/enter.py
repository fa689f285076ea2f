"""Moves into a root and becomes a program: `unshare … python -I -S enter.py SPEC COMMAND…`.

Imports nothing of the project. The spec is what `namespace.enclose` writes.
"""

import ctypes
import json
import os
import signal
import stat
import sys

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
PR_SET_PDEATHSIG = 1
CANNOT_ENTER = 125
# What a remount must not take away, by its name in statvfs.
KEPT = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}

libc = ctypes.CDLL(None, use_errno=True)


def main(spec_path: str, command: list[str]) -> None:
    with open(spec_path) as file:
        spec = json.load(file)
    root = spec["root"]
    try:
        if not spec["own"]:
            borrow_root(root, [entry["target"] for entry in spec["mounts"]])
        for entry in spec["mounts"]:
            put(entry, root)
        # The mapped user is a new one to the kernel, which has forgotten whose death we follow; it may have come already.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chroot(root)
        if spec["own"]:
            os.makedirs(spec["cwd"], exist_ok=True)
        os.chdir(spec["cwd"])
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot enter the container: {error}\n")
        sys.exit(CANNOT_ENTER)


def borrow_root(stage: str, targets: list[str]) -> None:
    """This machine's root once more, over `stage`, with what is missing for the targets made in memory."""
    opened = {"/"}
    for target in targets:
        opened |= to_open(target)
    mount("tmpfs", stage, "tmpfs", 0, "mode=0755")
    lay("/", stage, opened)


def to_open(target: str) -> set[str]:
    """Folders that are to get a new name, with those above them."""
    if os.path.exists(target):
        return set()
    if os.path.islink(target):
        raise OSError(f"{target} is a link to what is not there")
    existing = os.path.dirname(target)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    opened = {existing := os.path.realpath(existing)}
    while existing != "/":
        existing = os.path.dirname(existing)
        opened.add(existing)
    return opened


def lay(folder: str, stage: str, opened: set[str]) -> None:
    # What holds the stage goes first, while nothing that it would copy along is mounted there.
    for name in sorted(os.listdir(folder), key=lambda name: not within(stage, os.path.join(folder, name))):
        path = os.path.join(folder, name)
        place = stage + path
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(path), place)
        elif path in opened:
            os.mkdir(place)
            os.chmod(place, stat.S_IMODE(info.st_mode))
            lay(path, stage, opened)
        else:
            make_place(place, stat.S_ISDIR(info.st_mode))
            mount(path, place, "", MS_BIND | MS_REC)


def within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def put(entry: dict, root: str) -> None:  # type: ignore[type-arg]
    target = os.path.join(root, resolved(entry["target"], root).lstrip("/"))
    if entry["kind"] == "overlay":
        make_place(target, True)
        data = "lowerdir=" + ":".join(map(escaped, entry["folders"]))
        if entry["upper"]:
            data += f",upperdir={escaped(entry['upper'])},workdir={escaped(entry['work'])}"
        mount("overlay", target, "overlay", 0, data, entry["target"])
        return
    make_place(target, os.path.isdir(entry["source"]))
    mount(entry["source"], target, "", MS_BIND | MS_REC, shown=entry["target"])
    if entry["read_only"]:
        flags = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in KEPT.items() if flags & bit)
        mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def resolved(path: str, root: str) -> str:
    """With the links on its way followed as they will be seen from inside `root`."""
    done, left = "", [part for part in path.split("/") if part]
    for _ in range(1000):
        if not left:
            return done or "/"
        part = left.pop(0)
        if part == "..":
            done = os.path.dirname(done).rstrip("/")
            continue
        here = f"{root}{done}/{part}"
        if os.path.islink(here):
            to = os.readlink(here)
            left = [part for part in to.split("/") if part not in ("", ".")] + left
            done = "" if to.startswith("/") else done
        else:
            done = f"{done}/{part}"
    raise OSError(f"{path} has too many links")


def escaped(path: str) -> str:
    for character in ("\\", ":", ","):
        path = path.replace(character, f"\\{character}")
    return path


def make_place(target: str, folder: bool) -> None:
    if os.path.lexists(target):
        return
    os.makedirs(target if folder else os.path.dirname(target), exist_ok=True)
    if not folder:
        open(target, "w").close()


def mount(source: str, target: str, kind: str, flags: int, data: str = "", shown: str = "") -> None:
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None):
        code = ctypes.get_errno()
        raise OSError(f"cannot mount {source} at {shown or target}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
