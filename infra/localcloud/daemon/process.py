"""Processes by identity, not by number: a pid counts only together with the time its process started."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "PILOTLIGHT_CLOUD_DIR"  # in the daemon's environment: the folder that it serves
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def started(pid: int) -> str | None:
    """When the process started (clock ticks since boot, as text); None if it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def alive(pid: int, start: str) -> bool:
    return started(pid) == start


def die_with_parent() -> Callable[[], None]:
    """For `preexec_fn`: the kernel kills the child when its parent is gone, however that ended."""
    parent = os.getpid()

    def arm() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return arm


def send(pid: int, start: str, number: signal.Signals, *, group: bool = False) -> None:
    """Signal the process (or the group it leads) if it is still the one that started then."""
    if not alive(pid, start):
        return
    with contextlib.suppress(ProcessLookupError):
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def wait_gone(pid: int, start: str, timeout_s: float) -> bool:
    """True as soon as the process is gone, False if it outlives the timeout."""
    end = time.monotonic() + timeout_s
    while alive(pid, start):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def living_under(folder: Path) -> list[tuple[int, str]]:
    """(pid, start) of every process of the cloud in `folder`: its daemon, workers, their children, the object store.

    Found by environment (MARK, or a HOME in the folder) and not by a list of pids, because a worker's children have
    outlived both it and us, and the list may be gone.
    """
    marks = (f"{MARK}={folder}".encode(), f"HOME={folder}".encode())
    below = f"HOME={folder}/".encode()
    found = []
    for pid in _pids():
        start = started(pid)
        if start is None or pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(entry in marks or entry.startswith(below) for entry in variables):
                found.append((pid, start))
    return found


def kill_living_under(folder: Path, timeout_s: float = 5.0) -> list[int]:
    """Kill them, and what they start meanwhile; returns the pids that were killed."""
    killed: list[int] = []
    end = time.monotonic() + timeout_s
    while (living := living_under(folder)) and time.monotonic() < end:
        for pid, start in living:
            send(pid, start, signal.SIGKILL)
            killed.append(pid)
        for pid, start in living:
            wait_gone(pid, start, max(0.0, end - time.monotonic()))
    return sorted(set(killed))


def listener(port: int) -> str:
    """Who listens on the port of 127.0.0.1, as far as this user may know: "pid 7 (python3 -m x)"."""
    inodes = set(_listening_inodes(port))
    for pid in _pids() if inodes else ():
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in inodes:
                        command = (
                            Path(f"/proc/{pid}/cmdline")
                            .read_bytes()
                            .replace(b"\0", b" ")
                            .decode(errors="replace")
                        )
                        return f"pid {pid} ({command.strip()[:80]})"
    return "another process"


def resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def peer_owner(peer_port: int, own_port: int) -> int | None:
    """User id of the process at the other end of a connection from 127.0.0.1; None where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1:3] == [f"0100007F:{peer_port:04X}", f"0100007F:{own_port:04X}"]:
                return int(fields[7])
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
