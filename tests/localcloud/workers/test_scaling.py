"""Workers come and go: scaling, idling, releases, and the end of it all."""

import asyncio

from infra.localcloud.runpod.model import ScalerType


def test_a_backlog_adds_one_worker_each_queue_delay_up_to_max(played):
    async def test(cloud):
        await cloud.apply(scaler_value=1.0)
        for n in range(6):
            await cloud.run(n)
        await (await cloud.actor(1)).take()
        for number in (2, 3):
            await cloud.clock.advance(0.99)
            assert len(cloud.stage.workers) == number - 1
            await cloud.clock.advance(0.01)
            await (await cloud.actor(number)).take()
        await cloud.clock.advance(60)
        assert len(cloud.stage.workers) == 3

    played(test)


def test_request_count_starts_as_many_as_the_requests_need(played):
    async def test(cloud):
        await cloud.apply(scaler=ScalerType.REQUEST_COUNT, scaler_value=2.0)
        for n in range(4):
            await cloud.run(n)
        await cloud.actor(2)
        assert cloud.statuses() == ["INITIALIZING"] * 2
        await cloud.run(5)
        await cloud.actor(3)

    played(test)


def test_low_priority_jobs_wait_for_a_worker_that_others_need(played):
    async def test(cloud):
        await cloud.apply()
        low = await cloud.run("low", policy={"lowPriority": True})
        await cloud.clock.advance(600)
        assert cloud.stage.workers == []
        high = await cloud.run("high")
        worker = await cloud.actor()
        assert (await worker.take())["id"] == high
        await worker.done(high, {"output": 1})
        assert (await worker.take())["id"] == low

    played(test)


def test_an_idle_worker_ends_after_the_idle_timeout_and_the_next_job_starts_a_new_one(played):
    async def test(cloud):
        await cloud.apply(idle_timeout_s=5)
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        await cloud.clock.advance(100)
        await worker.done(job, {"output": 1})
        poll = worker.taking()
        await cloud.clock.advance(4.9)
        assert cloud.statuses() == ["IDLE"]
        await cloud.clock.advance(0.1)
        assert worker.worker.signals == ["TERM"]
        assert await poll == (204, None)
        await cloud.until(lambda: cloud.views() == [])
        await cloud.run(2)
        assert (await (await cloud.actor(2)).take())["input"] == 2

    played(test)


def test_a_job_in_time_starts_the_idle_timeout_anew(played):
    async def test(cloud):
        await cloud.apply(idle_timeout_s=5)
        await cloud.run(1)
        worker = await cloud.actor()
        await worker.done((await worker.take())["id"], {"output": 1})
        await cloud.clock.advance(4)
        await cloud.run(2)
        await worker.done((await worker.take())["id"], {"output": 1})
        await cloud.clock.advance(4)
        assert cloud.statuses() == ["IDLE"]
        await cloud.clock.advance(1)
        await cloud.until(lambda: cloud.views() == [])

    played(test)


def test_min_workers_start_without_jobs_stay_and_leave_when_min_falls(played):
    async def test(cloud):
        await cloud.apply(workers_min=2)
        polls = [(await cloud.ready(number))[1] for number in (1, 2)]
        await cloud.clock.advance(50)
        assert cloud.statuses() == ["IDLE", "IDLE"]
        await cloud.apply(workers_min=1)
        await cloud.until(lambda: cloud.statuses() == ["IDLE"])
        await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
        assert sum(poll.done() for poll in polls) == 1

    played(test)


def test_a_dead_min_worker_is_replaced(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, _ = await cloud.ready()
        await cloud.clock.advance(120)
        worker.worker.exit(1)
        await cloud.actor(2)

    played(test)


def test_a_lower_max_ends_idle_workers_first_and_busy_ones_after_their_job(played):
    async def test(cloud):
        await cloud.apply(workers_min=2)
        busy, poll = await cloud.ready(1)
        idle, _ = await cloud.ready(2)
        job = await cloud.run(1)
        await poll
        await cloud.apply(workers_min=0, workers_max=1)
        await cloud.until(lambda: len(cloud.stage.running) == 1)
        assert idle.worker.signals == ["TERM"]
        await cloud.apply(workers_max=0)
        assert busy.worker.signals == []
        await busy.done(job, {"output": 1})
        await cloud.until(lambda: cloud.stage.running == [])
        assert (await cloud.status(job))["status"] == "COMPLETED"
        await cloud.run(2)
        await cloud.clock.advance(60)
        assert cloud.stage.running == []

    played(test)


def test_a_release_ends_idle_workers_at_once_and_busy_ones_after_their_job(played):
    async def test(cloud):
        await cloud.apply(workers_min=2)
        busy, poll = await cloud.ready(1)
        idle, _ = await cloud.ready(2)
        job = await cloud.run("old")
        await poll
        await cloud.apply(version=2, env={"A": "2"})
        await cloud.until(lambda: idle.worker.exited.done())
        assert busy.worker.signals == []
        fresh = await cloud.actor(3)
        assert fresh.worker.env["A"] == "2"
        new = await cloud.run("new")
        waiting = busy.taking()
        assert (await fresh.take())["id"] == new
        assert sorted(view.version for view in cloud.views())[:2] == [1, 2]
        await busy.done(job, {"output": 1})
        await cloud.until(lambda: busy.worker.exited.done())
        assert await waiting == (204, None)
        await cloud.until(lambda: {view.version for view in cloud.views()} == {2})

    played(test)


def test_a_worker_that_asks_to_be_refreshed_is_replaced(played):
    async def test(cloud):
        await cloud.apply()
        first, second = await cloud.run(1), await cloud.run(2)
        worker = await cloud.actor()
        await worker.take()
        await worker.done(first, {"output": 1, "stopPod": True})
        await cloud.until(lambda: worker.worker.exited.done())
        fresh = await cloud.actor(2)
        assert (await fresh.take())["id"] == second
        assert (await cloud.status(first))["output"] == 1

    played(test)


def test_a_worker_that_ignores_sigterm_is_killed(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, _ = await cloud.ready()
        worker.worker.stubborn = True
        await cloud.apply(workers_min=0, workers_max=0)
        assert worker.worker.signals == ["TERM"]
        await cloud.clock.advance(4.9)
        assert worker.worker.signals == ["TERM"]
        await cloud.clock.advance(0.1)
        assert worker.worker.signals == ["TERM", "KILL"]

    played(test)


def test_a_worker_told_to_stop_is_let_out_of_its_polls_but_never_answered_in_a_hot_loop(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, take = await cloud.ready()
        worker.worker.stubborn = True
        stop = worker.stopping()
        held = cloud.fleet._find(cloud.record.id, worker.worker.id)
        await cloud.until(lambda: held.stop)
        await cloud.apply(workers_min=0, workers_max=0)
        assert await take == (204, None)
        assert (await stop)[0] == 200
        take, stop = worker.taking(), worker.stopping()
        await cloud.until(lambda: held.take and held.stop)
        await cloud.clock.advance(0.4)
        assert not take.done()
        assert not stop.done()
        await cloud.clock.advance(0.1)
        assert [await take, await stop] == [(204, None)] * 2
        worker.worker.exit(0)

    played(test)


def test_a_removed_endpoint_is_gone_with_its_workers_and_jobs(played):
    async def test(cloud):
        await cloud.apply()
        held = cloud.ask("POST", "runsync", {"input": 1})
        worker = await cloud.actor()
        await worker.take()
        await cloud.fleet.remove(cloud.record.id)
        assert (await held)["status"] == "CANCELLED"
        assert worker.worker.signals == ["KILL"]
        assert cloud.views() == []
        assert cloud.store.kv(f"jobs/{cloud.record.id}").items() == []
        await cloud.call("GET", "health", expect=404)

    played(test)


def test_a_worker_is_billed_from_its_start_to_its_full_stop(played):
    async def test(cloud):
        await cloud.apply(idle_timeout_s=5)
        start = cloud.clock.now()
        job = await cloud.run(1)
        worker = await cloud.actor()
        await cloud.clock.advance(2)
        await worker.take()
        await cloud.clock.advance(3)
        (going_on,) = cloud.fleet.usage()
        assert (going_on.started_at, going_on.stopped_at) == (start, start + 5)
        await worker.done(job, {"output": 1})
        await cloud.clock.advance(5)
        await cloud.until(lambda: cloud.views() == [])
        *so_far, usage = cloud.meter.usages
        assert [each.stopped_at for each in so_far] == [start]
        assert (usage.started_at, usage.stopped_at) == (start, start + 10)
        assert (usage.endpoint_id, usage.worker_id) == (cloud.record.id, worker.worker.id)
        assert (usage.gpu_type_id, usage.gpu_count, usage.vcpu) == ("NVIDIA L4", 1, 0)
        assert cloud.fleet.usage() == []

    played(test)


def test_a_bill_is_kept_up_to_the_minute_while_a_worker_runs(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        await cloud.ready()
        start = cloud.clock.now()
        await cloud.clock.advance(150)
        assert [usage.stopped_at - start for usage in cloud.meter.usages] == [0, 60, 120]

    played(test)


def test_a_batch_fills_free_slots(played):
    async def test(cloud):
        await cloud.apply()
        for n in range(5):
            await cloud.run(n)
        worker = await cloud.actor()
        status, jobs = await worker.get("job-take-batch", "&batch_size=3")
        assert (status, [job["input"] for job in jobs]) == (200, [0, 1, 2])
        status, jobs = await worker.get("job-take-batch", "&batch_size=9")
        assert [job["input"] for job in jobs] == [3, 4]

    played(test)


def test_a_long_poll_without_jobs_is_held_and_then_answered_204(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, poll = await cloud.ready()
        stop = worker.stopping()
        held = cloud.fleet._find(cloud.record.id, worker.worker.id)
        await cloud.until(lambda: held.stop)
        await cloud.clock.advance(54)
        assert not poll.done()
        assert not stop.done()
        await cloud.clock.advance(1)
        assert await poll == (204, None)
        assert await stop == (204, None)

    played(test)


def test_work_goes_to_the_least_busy_worker_and_then_to_the_oldest(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        old, first = await cloud.ready(1)
        await cloud.clock.advance(1)
        await cloud.apply(workers_min=2)
        _, second = await cloud.ready(2)
        await cloud.run("a")
        assert (await first)[1]["input"] == "a"
        again = old.taking()
        held = cloud.fleet._find(cloud.record.id, old.worker.id)
        await cloud.until(lambda: held.take)
        await cloud.run("b")
        assert (await second)[1]["input"] == "b"
        assert not again.done()

    played(test)
