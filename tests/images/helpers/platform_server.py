"""RunPod's side of the worker protocol: long polls for jobs and stops, results, streams and pings."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

POLL_S = 20.0


class Platform:
    """Jobs in, results out. `results[id]` resolves to the body of job-done; `chunks[id]` fills as a stream comes."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.stops: asyncio.Queue[str] = asyncio.Queue()
        self.results: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.chunks: dict[str, list[Any]] = {}
        self.taken: list[str] = []
        self.pinged = asyncio.Event()
        self.asked_for_stops = asyncio.Condition()
        self.draining = asyncio.Event()
        self.url = ""

    def submit(self, input_: Any) -> "asyncio.Future[dict[str, Any]]":
        job = f"job-{len(self.results)}"
        self.results[job] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait({"id": job, "input": input_})
        return self.results[job]

    async def call(self, input_: Any) -> dict[str, Any]:
        return await asyncio.wait_for(self.submit(input_), 60)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Platform"]:
        app = web.Application()
        app.router.add_get("/v2/e/{call}/{pod}", self._get)
        app.router.add_post("/v2/e/{call}/{pod}/{job}", self._post)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2/e"
        try:
            yield self
        finally:
            self.draining.set()
            await runner.cleanup()

    @asynccontextmanager
    async def worker(self, app: Path, home: Path, **env: str) -> AsyncIterator["Worker"]:
        """The rendered app as a process of its own, with RunPod's environment and nothing of ours."""
        query = "gpu=NVIDIA+L4"
        home.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-u",
            str(app / "rp_handler.py"),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": str(app),
                "RUNPOD_POD_ID": "w1",
                "RUNPOD_POD_HOSTNAME": "w1-host",
                "RUNPOD_ENDPOINT_ID": "e",
                "RUNPOD_AI_API_KEY": "worker-token",
                "RUNPOD_WEBHOOK_GET_JOB": f"{self.url}/job-take/$ID?{query}",
                "RUNPOD_WEBHOOK_POST_OUTPUT": f"{self.url}/job-done/$RUNPOD_POD_ID/$ID?{query}",
                "RUNPOD_WEBHOOK_POST_STREAM": f"{self.url}/job-stream/$RUNPOD_POD_ID/$ID?{query}",
                "RUNPOD_WEBHOOK_PING": f"{self.url}/ping/$RUNPOD_POD_ID?{query}",
                "RUNPOD_PING_INTERVAL": "1000",
                "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
                "RUNPOD_SKIP_GPU_CHECK": "true",
                **env,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        worker = Worker(process)
        reader = asyncio.create_task(worker.read())
        try:
            yield worker
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the heartbeat is a child that outlives its parent
            await process.wait()
            await reader

    async def _get(self, request: web.Request) -> web.Response:
        call = request.match_info["call"]
        if call == "ping":
            self.pinged.set()
            return web.Response()
        if call == "job-stop":
            async with self.asked_for_stops:
                self.asked_for_stops.notify_all()
            stop = await self._next(self.stops)
            return web.json_response({"jobsToStop": [stop]}) if stop else web.Response(status=204)
        job = await self._next(self.waiting)
        if job is None:
            return web.Response(status=204)
        if call == "job-take":
            return self._give([job], one=True)
        jobs = [job]
        while len(jobs) < int(request.query["batch_size"]) and not self.waiting.empty():
            jobs.append(self.waiting.get_nowait())
        return self._give(jobs)

    def _give(self, jobs: list[dict[str, Any]], one: bool = False) -> web.Response:
        self.taken += [job["id"] for job in jobs]
        return web.json_response(jobs[0] if one else jobs)

    async def _next(self, queue: "asyncio.Queue[Any]") -> Any:
        """The next item, or None when the poll has run out or the platform drains."""
        getter, drain = asyncio.create_task(queue.get()), asyncio.create_task(self.draining.wait())
        done, pending = await asyncio.wait(
            {getter, drain}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        return getter.result() if getter in done else None

    async def _post(self, request: web.Request) -> web.Response:
        body, job = json.loads(await request.read()), request.match_info["job"]
        if request.match_info["call"] == "job-stream":
            self.chunks.setdefault(job, []).append(body["output"])
        elif not self.results[job].done():
            self.results[job].set_result(body)
        return web.Response()


class Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._ended = asyncio.Event()
        self._more = asyncio.Condition()

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._more:
                self.lines.append(line.decode().rstrip("\n"))
                self._more.notify_all()
        self._ended.set()

    async def said(self, text: str, times: int = 1) -> None:
        """Return once `text` has been a line of the output so often."""
        async with self._more:
            await asyncio.wait_for(self._more.wait_for(lambda: self.lines.count(text) >= times), 30)

    async def exit(self) -> int:
        """The exit status, once all output has been read."""
        status = await asyncio.wait_for(self.process.wait(), 60)
        await asyncio.wait_for(self._ended.wait(), 60)
        return status

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        found = [json.loads(line)["pilotlight"] for line in self.lines if line.startswith('{"pilotlight"')]
        return {phase["phase"]: phase for phase in found}

    @property
    def output(self) -> str:
        return "\n".join(self.lines)
