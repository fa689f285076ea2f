"""Waiting for a change, or for the injected clock, whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from infra.localcloud.core.clock import Clock


class Signal:
    """Says that something has changed. Take `next` before looking, then wait for it: nothing is missed between."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        return self._event

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()


async def within(clock: Clock, seconds: float, change: Coroutine[Any, Any, Any]) -> bool:
    """Whether the change came in that time."""
    changed = asyncio.ensure_future(change)
    timeout = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((changed, timeout), return_when=asyncio.FIRST_COMPLETED)
        return changed.done()
    finally:
        changed.cancel()
        timeout.cancel()
