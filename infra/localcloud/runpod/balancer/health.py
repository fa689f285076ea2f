"""Asks every worker how it is: 200 healthy, 204 initializing, anything else unhealthy."""

import asyncio
from collections.abc import Callable

import aiohttp

from infra.localcloud.core.clock import Clock
from infra.localcloud.runpod.workers.crew import Crew
from infra.localcloud.runpod.workers.worker import Phase, Worker

FIRST_PAUSE_S, STARTING_PAUSE_S, PAUSE_S = 0.02, 1.0, 5.0
TIMEOUT_S = 10.0
_ASKED = (Phase.STARTING, Phase.READY, Phase.AILING)


class Health:
    """`changed` is called when a worker has become ready or healthy."""

    def __init__(self, clock: Clock, crew: Crew, changed: Callable[[], None]) -> None:
        self._clock, self._crew, self._changed = clock, crew, changed
        self._session: aiohttp.ClientSession | None = None
        self._watches: set[asyncio.Task[None]] = set()

    def watch(self, worker: Worker) -> None:
        """Until it stops."""
        task = asyncio.get_running_loop().create_task(self._watch(worker))
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def close(self) -> None:
        for task in self._watches:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def _watch(self, worker: Worker) -> None:
        pause = FIRST_PAUSE_S
        while worker.phase in _ASKED and worker.ports is not None:
            path = health_path(worker)
            status, complaint = await self._ask(worker.ports[1], path)
            if worker.phase in _ASKED:
                self._take(worker, path, status, complaint)
            starting = worker.phase is Phase.STARTING
            pause = min(pause * 1.5, STARTING_PAUSE_S) if starting else PAUSE_S
            await self._clock.sleep(pause)

    async def _ask(self, port: int, path: str) -> tuple[int, str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._session.get(f"http://127.0.0.1:{port}{path}", allow_redirects=False) as answer:
                return answer.status, f"GET {path} answers {answer.status}"
        except TimeoutError:
            return 0, f"GET {path} has no answer within {TIMEOUT_S:g} s"
        except (aiohttp.ClientError, ValueError) as error:
            refused = isinstance(error, aiohttp.ClientConnectorError)
            return 0, f"nothing listens on its PORT for GET {path}" if refused else f"GET {path}: {error}"

    def _take(self, worker: Worker, path: str, status: int, complaint: str) -> None:
        if status == 200:
            if worker.phase is Phase.STARTING:
                worker.reason = ""
                self._crew.ready(worker, f"GET {path} answers 200")
            self._crew.recovered(worker)
            self._changed()
            self._crew.adjust()
        elif worker.phase is Phase.READY:
            self._crew.ailing(worker, complaint)
        else:
            worker.reason = complaint


def health_path(worker: Worker) -> str:
    path = worker.record.env.get("HEALTH_CHECK_PATH") or "/ping"
    return path if path.startswith("/") else f"/{path}"
