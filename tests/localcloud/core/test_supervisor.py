"""Processes are watched by themselves, not by their output, and none outlives the daemon."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.supervisor import ProcessLauncher, sweep
from infra.localcloud.runpod.workers.logs import WorkerLog

pytestmark = pytest.mark.xdist_group("workers")

# As the SDK does: a child in the same group that holds the output open and does not mind its parent's death.
FORKER = """
import os, signal, sys, time
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)
print("child", child, flush=True)
{then}
"""

DAEMON = """
import asyncio, sys
from pathlib import Path
from infra.localcloud.core.clock import RealClock
from infra.localcloud.runpod.workers.logs import WorkerLog
from infra.localcloud.core.supervisor import ProcessLauncher

async def main(directory, source):
    log = WorkerLog(directory / "w.log")
    launcher = ProcessLauncher(RealClock())
    worker = launcher.launch([sys.executable, "-c", source], directory, {}, log)
    async for line in log.read(10, None, True):
        print(worker.pid, line.line.split()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def gone(pid: int, within_s: float = 20.0) -> bool:
    """Whether the process ends within that time, its own or a stranger's child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


def launch(directory: Path, source: str):
    async def main():
        log = WorkerLog(directory / "w.log")
        launcher = ProcessLauncher(RealClock())
        worker = launcher.launch([sys.executable, "-c", source], directory, {}, log)
        code = await asyncio.wait_for(worker.exited, 30)
        launcher.close()
        return code, [line.line for line in log.tail(100)]

    return asyncio.run(main())


def test_output_and_exit_code(tmp_path):
    code, lines = launch(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert code == 3
    assert sorted(lines) == ["err", "out"]
    assert launch(tmp_path, "import os; os.kill(os.getpid(), 11)")[0] == -signal.SIGSEGV


def test_an_exit_is_seen_while_a_child_holds_the_output_and_the_child_is_killed(tmp_path):
    code, lines = launch(tmp_path, FORKER.format(then="os._exit(5)"))
    assert code == 5
    assert gone(int(lines[0].split()[1]))


def test_a_program_that_is_not_there_is_an_error(tmp_path):
    async def main():
        launcher = ProcessLauncher(RealClock())
        with pytest.raises(OSError, match="nothing"):
            launcher.launch(["/nothing"], tmp_path, {}, WorkerLog(tmp_path / "w.log"))
        launcher.close()

    asyncio.run(main())


def test_nothing_outlives_a_daemon_killed_with_minus_nine(tmp_path):
    source = FORKER.format(then="signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(60)")
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path), source], stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    worker, child = map(int, daemon.stdout.readline().split())
    assert not gone(worker, 0.0)
    assert not gone(child, 0.0)
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    assert gone(worker)
    assert gone(child)


def test_a_sweep_ends_what_has_its_home_here_and_nothing_else(tmp_path):
    def sleeper(home: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], env={"HOME": str(home)}
        )

    ours, neighbour = sleeper(tmp_path / "workers" / "w1"), sleeper(tmp_path / "workers-not")
    assert sweep(tmp_path / "workers") == [ours.pid]
    assert ours.wait(20) == -signal.SIGKILL
    assert neighbour.poll() is None
    neighbour.kill()
    neighbour.wait()
