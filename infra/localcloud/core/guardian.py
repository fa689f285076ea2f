"""Kills the workers when the daemon is gone, however it went.

PR_SET_PDEATHSIG reaches a worker but not the children it forked (the SDK's heartbeat), so one small process waits at
the end of a pipe: `+PGID` and `-PGID` lines while the daemon lives, end of file when it does not. Run as a script with
`-I -S`: it imports nothing of the project.
"""

import os
import signal
import sys


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
