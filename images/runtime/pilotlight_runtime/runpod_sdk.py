"""RunPod's official worker SDK, started faster and kept busier than it does by itself. Nothing of its protocol changes."""

import asyncio
import sys
from typing import Any

TESTED = "1.12.0"


def import_sdk() -> Any:
    """`import runpod`. For one line of its debugger the SDK asks py-cpuinfo for the processor's name at import, which
    takes over a second in subprocesses; the name comes from /proc/cpuinfo instead, for that caller only."""
    import cpuinfo  # type: ignore[import-untyped]

    real = cpuinfo.get_cpu_info

    def quick() -> Any:
        caller = sys._getframe(1).f_globals.get("__name__")
        return {"brand_raw": _processor()} if caller == "runpod.serverless.utils.rp_debugger" else real()

    cpuinfo.get_cpu_info = quick
    try:
        import runpod  # type: ignore[import-untyped]
    finally:
        cpuinfo.get_cpu_info = real
    return runpod


def serve(runpod: Any, handler: Any, concurrency: int) -> None:
    """Take jobs until told to stop."""
    if runpod.__version__ == TESTED:
        from runpod.serverless.modules import rp_scale  # type: ignore[import-untyped]

        rp_scale.JobScaler = _prompt(rp_scale.JobScaler)
    runpod.serverless.start(
        {
            "handler": handler,
            "concurrency_modifier": lambda _: concurrency,
            "return_aggregate_stream": True,
        }
    )


def _prompt(base: Any) -> Any:
    class PromptScaler(base):  # type: ignore[misc]
        """Takes a job when a slot is free, and starts it at once.

        The SDK counts a job twice between taking and starting it, and sleeps a second when that fills the worker: one
        slot gives at most one job a second, and N slots stall at N/2. It also starts jobs on a 100 ms tick. Allowing
        more jobs than slots would hide that, but then this worker holds jobs that an idle one could run.
        """

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self._session: Any = None
            self._freed = asyncio.Event()
            self._started: set[asyncio.Task[None]] = set()

        async def get_jobs(self, session: Any) -> None:
            self._session = session
            await super().get_jobs(session)

        async def set_scale(self) -> None:
            """Called before each take."""
            self._start_taken()
            await super().set_scale()
            while self.is_alive() and self.current_occupancy() >= self.current_concurrency:
                self._freed.clear()
                await self._freed.wait()

        def current_occupancy(self) -> int:
            return int(self.job_progress.get_job_count())  # a job is in progress from the moment it is taken

        async def handle_job(self, session: Any, job: dict[str, Any]) -> None:
            try:
                await super().handle_job(session, job)
            finally:
                self._freed.set()

        async def run_jobs(self, session: Any) -> None:
            await super().run_jobs(session)
            await asyncio.gather(*self._started, return_exceptions=True)

        def _start_taken(self) -> None:
            while not self.jobs_queue.empty():
                job = self.jobs_queue.get_nowait()
                task = asyncio.create_task(self.handle_job(self._session, job))
                self.jobs_tasks[job["id"]] = task
                self._started.add(task)
                task.add_done_callback(self._ended)

        def _ended(self, task: "asyncio.Task[None]") -> None:
            self._started.discard(task)
            if not task.cancelled():
                task.exception()  # the SDK has logged it

    return PromptScaler


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return "Unable to get processor info."
