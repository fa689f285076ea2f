"""Deadlines on an injected clock."""

import asyncio

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.timers import Timers


def test_calls_come_in_order_of_time_and_cancelled_ones_not_at_all():
    async def main() -> None:
        clock, calls = ManualClock(), []
        timers = Timers(clock)
        timers.after(5, lambda: calls.append("five"))
        timers.after(2, lambda: calls.append("two"))
        timers.after(3, lambda: calls.append("three")).cancel()
        await clock.advance(1.9)
        assert calls == []
        await clock.advance(0.1)
        assert calls == ["two"]
        timers.after(1, lambda: calls.append("sooner"))
        await clock.advance(3)
        assert calls == ["two", "sooner", "five"]
        timers.after(1, lambda: calls.append("after a rest"))
        await clock.advance(1)
        assert calls[-1] == "after a rest"
        timers.close()

    asyncio.run(main())


def test_a_call_that_fails_does_not_stop_the_others():
    async def main() -> None:
        clock, calls, errors = ManualClock(), [], []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: errors.append(context["exception"])
        )
        timers = Timers(clock)
        timers.after(1, lambda: 1 / 0)
        timers.after(2, lambda: calls.append("next"))
        await clock.advance(2)
        assert calls == ["next"]
        assert isinstance(errors[0], ZeroDivisionError)
        timers.close()

    asyncio.run(main())


def test_thousands_of_cancelled_deadlines_are_let_go():
    async def main() -> None:
        timers = Timers(ManualClock())
        for _ in range(10_000):
            timers.after(3600, lambda: None).cancel()
        assert len(timers._heap) < 1000
        timers.close()

    asyncio.run(main())
