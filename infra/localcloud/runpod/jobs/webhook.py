"""Webhooks: the status object, posted when a job is over; two more tries ten seconds apart."""

import asyncio
from typing import Any

import aiohttp

from infra.localcloud.core.clock import Clock

TRIES, PAUSE_S, TIMEOUT_S = 3, 10.0, 30.0


class Webhooks:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sending: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def notify(self, url: str, view: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._send(url, view))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        for task in self._sending:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def _send(self, url: str, view: dict[str, Any]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        for attempt in range(TRIES):
            if attempt:
                await self._clock.sleep(PAUSE_S)
            try:
                async with self._session.post(url, json=view, allow_redirects=False) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: an address that is none
                continue
