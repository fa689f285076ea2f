"""Rate limits in ten-second windows."""

import asyncio

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.runpod.jobs.limits import RateLimits


def test_a_window_fills_and_empties():
    clock = ManualClock()
    limits = RateLimits(clock, lambda: True)
    assert [limits.admit("e", "purge-queue", 0) for _ in range(2)] == [0.0, 0.0]
    asyncio.run(clock.advance(4))
    assert limits.admit("e", "purge-queue", 0) == 6.0
    assert limits.admit("other", "purge-queue", 0) == 0.0
    asyncio.run(clock.advance(6))
    assert limits.admit("e", "purge-queue", 0) == 0.0


def test_workers_raise_a_limit_only_above_the_base():
    limits = RateLimits(ManualClock(), lambda: True)
    admitted = sum(limits.admit("e", "cancel", 20) == 0.0 for _ in range(500))
    assert admitted == 200


def test_no_limit_where_there_is_none_and_when_switched_off():
    assert all(RateLimits(ManualClock(), lambda: True).admit("e", "health", 0) == 0 for _ in range(5000))
    assert all(RateLimits(ManualClock(), lambda: False).admit("e", "purge-queue", 0) == 0 for _ in range(50))
