"""The official `runpod.serverless` worker 1.12 as a real process."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("workers")

ECHO = """
import runpod

def handler(job):
    return {"echo": job["input"]}

runpod.serverless.start({"handler": handler})
"""

MANY = """
import asyncio, os, sys, time
import runpod

async def handler(job):
    what = job["input"]
    if what == "crash":
        os._exit(7)
    if what == "raise":
        raise ValueError("no such word: grüezi")
    if what == "error":
        return {"error": "said so", "part": 1}
    if what == "none":
        return None
    if what == "progress":
        runpod.serverless.progress_update(job, "half way")
        await asyncio.Event().wait()
    if what == "forever":
        await asyncio.Event().wait()
    if what == "block":
        time.sleep(3600)
    if what == "refresh":
        return {"refresh_worker": True, "pid": os.getpid()}
    if what == "env":
        return dict(os.environ)
    return {"pid": os.getpid(), "parent": os.getppid()}

runpod.serverless.start({"handler": handler})
"""

STREAM = """
import runpod

async def handler(job):
    for n in range(job["input"]):
        yield {"n": n}
    if job["input"] == 2:
        raise ValueError("no third")

runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
"""

WIDE = """
import asyncio
import runpod

together = asyncio.Event()
inside = 0

async def handler(job):
    global inside
    inside += 1
    if inside == 4:
        together.set()
    await asyncio.wait_for(together.wait(), 30)
    return inside

runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda current: 8})
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group(pid: int) -> list[int]:
    """Living processes of the worker's group: itself and its heartbeat."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == pid:
                    members.append(int(entry.name))
            except ProcessLookupError:
                continue
    return members


def test_a_request_wakes_a_worker_from_zero_and_the_worker_goes_to_zero_again(real):
    async def test(cloud):
        await cloud.apply(idle_timeout_s=1)
        assert cloud.views() == []
        answer = await cloud.call("POST", "runsync", {"input": {"word": "grüezi"}})
        assert answer["status"] == "COMPLETED"
        assert answer["output"] == {"echo": {"word": "grüezi"}}
        worker = cloud.fleet._find(cloud.record.id, answer["workerId"])
        assert len(group(worker.process.pid)) == 2
        code = await worker.process.exited
        assert code == 0, "it drained instead of being killed"
        assert cloud.views() == []
        await cloud.until(lambda: group(worker.process.pid) == [])
        usage = cloud.meter.usages[-1]
        assert 1 < usage.stopped_at - usage.started_at < 60
        again = await cloud.call("POST", "runsync", {"input": 2})
        assert again["output"] == {"echo": 2}
        assert again["workerId"] != answer["workerId"]

    real(ECHO, test)


def test_what_a_handler_can_do(real):
    async def test(cloud):
        await cloud.apply(workers_min=1, workers_max=1, idle_timeout_s=300)

        async def ask(payload):
            return await cloud.call("POST", "runsync", {"input": payload})

        raised = await ask("raise")
        assert raised["status"] == "FAILED"
        error = json.loads(raised["error"])
        assert (error["error_type"], error["error_message"]) == (
            "<class 'ValueError'>",
            "no such word: grüezi",
        )
        assert error["worker_id"] == raised["workerId"]
        said = await ask("error")
        assert (said["status"], said["error"], said["output"]) == ("FAILED", "said so", {"part": 1})
        assert (await ask("none"))["output"] is None

        env = (await ask("env"))["output"]
        assert env["RUNPOD_POD_ID"] == raised["workerId"]
        assert "API_KEY" not in " ".join(set(env) - {"RUNPOD_AI_API_KEY"})

        job = await cloud.run("progress")
        await cloud.until(lambda: "half way" in str(cloud.fleet._endpoints[cloud.record.id].get(job).output))
        assert (await cloud.status(job))["status"] == "IN_PROGRESS"
        await cloud.call("POST", f"cancel/{job}")
        after = await ask("pid")
        assert after["workerId"] == raised["workerId"], (
            "an async handler is stopped without losing its worker"
        )

        first = await ask("refresh")
        assert first["output"]["pid"] == after["output"]["pid"]
        second = await ask("pid")
        assert second["workerId"] != first["workerId"]
        assert second["output"]["parent"] == os.getpid()

    real(MANY, test)


def test_a_crash_is_seen_at_once_and_leaves_no_process_behind(real):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        answer = await cloud.call("POST", "runsync", {"input": "crash"})
        assert answer["status"] == "FAILED"
        assert "code 7" in answer["error"]
        crashed = list(cloud.fleet._endpoints[cloud.record.id].crew.past)
        assert len(crashed) == 2
        await cloud.until(lambda: [group(worker.process.pid) for worker in crashed] == [[], []])
        assert cloud.fleet.jobs(cloud.record.id).retried == 1

    real(MANY, test)


def test_execution_timeout_stops_an_async_handler_and_kills_a_blocking_one(real):
    async def test(cloud):
        await cloud.apply(workers_min=1, workers_max=1)
        policy = {"executionTimeout": 5000}
        gentle = await cloud.run("forever", policy=policy)
        assert (await cloud.end(gentle))["status"] == "TIMED_OUT"
        alive_still = await cloud.call("POST", "runsync", {"input": "pid"})
        worker = cloud.fleet._find(cloud.record.id, alive_still["workerId"])
        rough = await cloud.run("block", policy=policy)
        over = await cloud.end(rough)
        assert (over["status"], over["workerId"]) == ("TIMED_OUT", worker.id)
        assert await worker.process.exited == -signal.SIGKILL
        assert (await cloud.call("POST", "runsync", {"input": "pid"}))["status"] == "COMPLETED"

    real(MANY, test)


def test_a_generator_streams_and_its_whole_is_the_output(real):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        job = await cloud.run(3)
        chunks = []
        while True:
            part = await cloud.call("GET", f"stream/{job}")
            chunks += [chunk["output"] for chunk in part["stream"]]
            if part["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                break
        assert chunks == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert (await cloud.status(job))["output"] == chunks
        broken = await cloud.end(await cloud.run(2))
        assert broken["status"] == "FAILED"
        assert "no third" in broken["error"]

    real(STREAM, test)


def test_a_concurrent_handler_runs_jobs_together_on_one_worker(real):
    async def test(cloud):
        await cloud.apply(workers_max=1)
        jobs = [await cloud.run(n) for n in range(4)]
        ends = await asyncio.gather(*(cloud.end(job) for job in jobs))
        assert {end["status"] for end in ends} == {"COMPLETED"}
        assert len({end["workerId"] for end in ends}) == 1

    real(WIDE, test)


def test_a_handler_that_cannot_be_imported_is_named_in_the_reason(real):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        (view,) = [view for view in cloud.views() if view.reason]
        assert "No module named 'missing_module'" in view.reason
        lines = [
            line.line
            async for line in cloud.fleet.logs(cloud.record.id, view.id, tail=9, after=None, follow=True)
        ]
        assert any("Traceback" in line for line in lines)

    real("import missing_module", test)
