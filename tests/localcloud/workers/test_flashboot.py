"""Workers forked from a warm process: the official SDK, faster, and as easy to kill."""

import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("workers")

HANDLER = """
import os, random, sys, tempfile
import runpod

async def handler(job):
    what = job["input"]
    if what == "crash":
        os._exit(7)
    if what == "who":
        return {
            "pid": os.getpid(), "parent": os.getppid(), "group": os.getpgid(0), "session": os.getsid(0),
            "env": dict(os.environ), "cwd": os.getcwd(), "argv": sys.argv, "main": __name__, "file": __file__,
            "path": sys.path[0], "tmp": tempfile.gettempdir(), "random": random.random(),
            "sdk": runpod.__version__, "stdin": os.read(0, 1).decode(),
        }
    return what

if os.environ.get("FAIL"):
    raise ValueError("no good")
runpod.serverless.start({"handler": handler})
"""


def forked(cloud):
    """For each worker that was there, whether FlashBoot made it."""
    crew = cloud.fleet._endpoints[cloud.record.id].crew
    return [
        any("by FlashBoot" in line.line for line in worker.log.tail(99))
        for worker in (*crew.past, *crew.workers.values())
    ]


async def warm(cloud, **changes):
    await cloud.apply(flashboot="FLASHBOOT", **changes)
    await cloud.until(lambda: cloud.fleet._flashboot._zygotes)
    (zygote,) = cloud.fleet._flashboot._zygotes.values()
    assert await zygote.warmed()
    return zygote


def test_a_forked_worker_is_its_own_process_and_starts_in_a_moment(real):
    async def test(cloud):
        zygote = await warm(cloud, env={"MINE": "yes"}, idle_timeout_s=3600)
        began = time.monotonic()
        answer = (await cloud.call("POST", "runsync", {"input": "who"}))["output"]
        cold = time.monotonic() - began
        assert forked(cloud) == [True]
        assert cold < 2.0, "a fork takes tens of milliseconds, an ordinary start seconds"
        view = cloud.views()[0]
        worker = cloud.fleet._find(cloud.record.id, view.id)
        assert answer["pid"] == answer["group"] == answer["session"] == worker.process.pid
        assert answer["parent"] == zygote._popen.pid
        assert answer["env"]["RUNPOD_POD_ID"] == view.id
        assert answer["env"]["MINE"] == "yes"
        assert answer["env"]["HOME"] == str(worker.home)
        assert answer["tmp"] == answer["env"]["TMPDIR"]
        assert answer["main"] == "__main__"
        assert answer["argv"] == [answer["file"]]
        assert answer["path"] == answer["cwd"] == str(Path(answer["file"]).parent)
        assert answer["stdin"] == ""
        assert set(answer["env"]) >= {"PYTHONPATH", "RUNPOD_AI_API_KEY"}
        os.kill(worker.process.pid, signal.SIGKILL)
        assert await worker.process.exited == -signal.SIGKILL
        second = (await cloud.call("POST", "runsync", {"input": "who"}))["output"]
        assert second["random"] != answer["random"]
        os.kill(zygote._popen.pid, signal.SIGKILL)
        await cloud.until(lambda: not Path(f"/proc/{second['pid']}").exists())
        third = (await cloud.call("POST", "runsync", {"input": "who"}))["output"]
        assert third["parent"] != zygote._popen.pid, "who kills the warm process gets another one"

    real(HANDLER, test)


def test_crashes_exits_and_stops_of_forked_workers_are_told(real):
    async def test(cloud):
        await warm(cloud, idle_timeout_s=1)
        job = await cloud.run("crash")
        end = await cloud.end(job)
        assert "exited with code 7" in end["error"]
        assert (await cloud.call("POST", "runsync", {"input": 1}))["output"] == 1
        worker = cloud.fleet._find(cloud.record.id, cloud.views()[0].id)
        assert await worker.process.exited == 0  # idle for a second
        await cloud.apply(env={"FAIL": "1"}, version=2)
        await cloud.run(1)
        await cloud.until(lambda: any("no good" in view.reason for view in cloud.views()))
        assert all(forked(cloud))

    real(HANDLER, test)


def test_a_miss_and_what_python_reads_at_its_start_need_an_ordinary_one(real):
    async def test(cloud):
        cloud.settings.update({"flashboot_hit_rate": 0.0})
        await warm(cloud, workers_min=1, idle_timeout_s=3600)
        await cloud.until(lambda: cloud.statuses() == ["IDLE"])
        cloud.settings.update({"flashboot_hit_rate": 1.0})
        await cloud.apply(workers_min=2, env={"PYTHONHASHSEED": "1"})
        await cloud.until(lambda: cloud.statuses() == ["IDLE", "IDLE"])
        assert forked(cloud) == [False, False]
        await cloud.apply(workers_min=3, env={})
        await cloud.until(lambda: cloud.statuses() == ["IDLE"] * 3)
        assert forked(cloud) == [False, False, True]

    real(HANDLER, test)


def test_a_warm_process_ends_with_its_last_worker_or_the_cloud(real):
    async def test(cloud):
        zygote = await warm(cloud, workers_min=3, workers_max=3)
        await cloud.until(lambda: cloud.statuses() == ["IDLE"] * 3)
        pids = [
            worker.process.pid for worker in cloud.fleet._endpoints[cloud.record.id].crew.workers.values()
        ]
        shared = sum(_kb(pid, "Shared") for pid in pids) / 3
        assert shared > 20_000, "pages of the warm process are shared"
        await cloud.fleet.remove(cloud.record.id)
        assert not zygote.alive
        assert zygote._popen.returncode is not None
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

    real(HANDLER, test)


def _kb(pid, kind):
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith(kind))
