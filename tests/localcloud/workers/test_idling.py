"""RunPod's own scale-down of endpoints that nobody calls, over days of a clock that the test moves."""

import asyncio
import logging

DAY = 24 * 3600


def most(cloud):
    record = cloud.fleet._endpoints[cloud.record.id].crew.record
    return (record.workers_min, record.workers_max)


def test_three_days_without_a_request_leave_two_workers_and_seven_leave_none(played, caplog):
    async def test(cloud):
        await cloud.apply(workers_max=5)
        await cloud.clock.advance(3 * DAY - 1)
        assert most(cloud) == (0, 5)
        await cloud.clock.advance(1)
        assert most(cloud) == (0, 2)
        await cloud.clock.advance(4 * DAY - 1)
        assert most(cloud) == (0, 2)
        await cloud.clock.advance(1)
        assert most(cloud) == (0, 0)
        assert "had no request for 7 days: lowered from at most 2 workers to 0" in caplog.text
        await cloud.apply(workers_min=0, workers_max=4)
        await cloud.clock.advance(3 * DAY - 1)
        assert most(cloud) == (0, 4), "who raises it has its time again"
        await cloud.clock.advance(1)
        assert most(cloud) == (0, 2)

    caplog.set_level(logging.WARNING)
    played(test)


def test_a_request_begins_the_days_anew_and_a_small_endpoint_keeps_its_workers(played):
    async def test(cloud):
        await cloud.apply(workers_max=2)
        await cloud.clock.advance(6 * DAY)
        assert most(cloud) == (0, 2)
        await cloud.run(1, policy={"ttl": 10_000})
        await cloud.clock.advance(6 * DAY)
        assert most(cloud) == (0, 2)
        await cloud.clock.advance(DAY)
        assert most(cloud) == (0, 0)

    played(test)


def test_active_workers_are_lowered_too(played):
    async def test(cloud):
        await cloud.apply(workers_min=3, workers_max=3)
        workers = await cloud.stage.started(3)
        await cloud.fleet._lower(cloud.record.id, 2)
        assert most(cloud) == (2, 2)
        await cloud.until(lambda: sum(worker.exited.done() for worker in workers) == 1)

    played(test)


def test_the_days_are_counted_over_a_restart(stage):
    async def test():
        async with stage(Clock()) as cloud:
            await cloud.apply(workers_max=5)
            start = cloud.clock.now()
        later = Clock(start + 2 * DAY)
        async with stage(later) as cloud:
            await cloud.apply(workers_max=5)
            await later.advance(DAY - 1)
            assert most(cloud) == (0, 5)
            await later.advance(1)
            assert most(cloud) == (0, 2)

    from infra.localcloud.core.clock import ManualClock as Clock

    asyncio.run(test())
