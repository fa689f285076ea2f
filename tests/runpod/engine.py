"""The engine as RunPod's resources meet it, and time that only moves when someone waits."""

import asyncio
from collections.abc import Callable

from tests.kit import one_stack
from tests.kit.one_stack import Diff, Entry, Failed, Refused, secret

__all__ = ["Clock", "Diff", "Engine", "Entry", "Failed", "Refused", "secret", "urn"]


class Engine(one_stack.Engine):
    package = "pilotlight-runpod"
    usual = "Endpoint"


urn = Engine.urn


class Clock:
    """Time that moves by what is waited, at once; those who wait together share it.

    `on_sleep` lets a test change the world while someone waits.
    """

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        due = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, due)
        self.on_sleep()
