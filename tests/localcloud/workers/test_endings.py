"""All the ways in which a job or a worker can end before its time."""

import pytest

from infra.localcloud.core.faults import Fault, FaultKind


async def running(cloud, payload=1, **more):
    """One job on one worker."""
    await cloud.apply()
    job = await cloud.run(payload, **more)
    worker = await cloud.actor()
    await worker.take()
    return job, worker


def test_a_job_whose_ttl_is_over_is_gone_from_the_queue(played):
    async def test(cloud):
        await cloud.apply(workers_max=0)
        short = await cloud.run(1, policy={"ttl": 10_000})
        long = await cloud.run(2)
        waiter = cloud.ask("GET", f"status-sync/{short}", expect=404)
        await cloud.until(lambda: cloud.fleet._endpoints[cloud.record.id]._waiting_end)
        await cloud.clock.advance(10)
        await waiter
        await cloud.call("GET", f"status/{short}", expect=404)
        assert (await cloud.status(long))["status"] == "IN_QUEUE"
        await cloud.clock.advance(24 * 3600 - 10)
        await cloud.call("GET", f"status/{long}", expect=404)

    played(test)


def test_a_running_job_whose_ttl_is_over_is_gone_and_stopped(played):
    async def test(cloud):
        job, worker = await running(cloud, policy={"ttl": 20_000})
        stop = worker.stopping()
        await cloud.clock.advance(20)
        assert await stop == (200, {"jobsToStop": [job]})
        await cloud.call("GET", f"status/{job}", expect=404)
        assert await worker.done(job, {"output": "too late"}) == 200
        await cloud.call("GET", f"status/{job}", expect=404)

    played(test)


@pytest.mark.parametrize(("operation", "kept_s"), [("run", 1800), ("runsync?wait=1000", 60)])
def test_results_are_kept_for_a_while(played, operation, kept_s):
    async def test(cloud):
        await cloud.apply(idle_timeout_s=3600)
        asked = cloud.ask("POST", operation, {"input": 1})
        worker = await cloud.actor()
        job = (await worker.take())["id"]
        await worker.done(job, {"output": 1})
        await asked
        await cloud.clock.advance(kept_s - 1)
        assert (await cloud.status(job))["status"] == "COMPLETED"
        await cloud.clock.advance(1)
        await cloud.call("GET", f"status/{job}", expect=404)

    played(test)


@pytest.mark.parametrize(
    ("timeout_ms", "policy", "limit_s"),
    [(0, {}, 600), (30_000, {}, 30), (30_000, {"executionTimeout": 5000}, 5)],
)
def test_a_job_that_runs_too_long_is_timed_out_and_stopped(played, timeout_ms, policy, limit_s):
    async def test(cloud):
        await cloud.apply(timeout_ms=timeout_ms)
        job = await cloud.run(1, policy=policy)
        worker = await cloud.actor()
        await worker.take()
        await cloud.clock.advance(limit_s - 0.5)
        stop = worker.stopping()
        held = cloud.fleet._find(cloud.record.id, worker.worker.id)
        await cloud.until(lambda: held.stop)
        assert (await cloud.status(job))["status"] == "IN_PROGRESS"
        await cloud.clock.advance(0.5)
        assert await stop == (200, {"jobsToStop": [job]})
        over = await cloud.status(job)
        assert over["status"] == "TIMED_OUT"
        assert f"{limit_s} s" in over["error"]
        assert (await cloud.call("GET", "health"))["jobs"]["failed"] == 1

    played(test)


def test_a_worker_that_stops_a_cancelled_job_works_on(played):
    async def test(cloud):
        job, worker = await running(cloud)
        await cloud.call("POST", f"cancel/{job}")
        assert await worker.get("job-stop") == (200, {"jobsToStop": [job]})
        assert cloud.statuses() == ["RUNNING"]
        second = worker.stopping()
        await cloud.until(lambda: cloud.statuses() == ["IDLE"])
        await cloud.clock.advance(4)
        assert worker.worker.signals == []
        next_job = await cloud.run(2)
        assert (await worker.take())["id"] == next_job
        await worker.done(job, {"output": "late"})
        assert (await cloud.status(job))["status"] == "CANCELLED"
        assert not second.done()

    played(test)


def test_a_worker_deaf_to_a_cancelled_job_is_killed_and_replaced_when_needed(played):
    async def test(cloud):
        job, worker = await running(cloud)
        await cloud.call("POST", f"cancel/{job}")
        await cloud.clock.advance(4.9)
        assert worker.worker.signals == []
        await cloud.clock.advance(0.1)
        assert worker.worker.signals == ["KILL"]
        await cloud.until(lambda: cloud.views() == [])
        await cloud.run(2)
        assert (await (await cloud.actor(2)).take())["input"] == 2

    played(test)


def test_a_crash_puts_the_job_back_once_and_then_fails_it(played):
    async def test(cloud):
        job, worker = await running(cloud)
        other = await cloud.run("other")
        worker.worker.exit(139)
        second = await cloud.actor(2)
        assert (await second.take())["id"] == job
        second.worker.exit(-11)
        await cloud.until(lambda: cloud.fleet.jobs(cloud.record.id).failed)
        failed = await cloud.status(job)
        assert failed["status"] == "FAILED"
        assert "signal 11" in failed["error"]
        assert cloud.fleet.jobs(cloud.record.id).retried == 1
        await cloud.clock.advance(1)
        third = await cloud.actor(3)
        assert (await third.take())["id"] == other

    played(test)


def test_a_worker_that_hangs_up_before_its_job_arrives_does_not_lose_it(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, poll = await cloud.ready()
        poll.cancel()
        for _ in range(3):
            await cloud.call("GET", "health")
        job = await cloud.run(1)
        endpoint = cloud.fleet._endpoints[cloud.record.id]
        await cloud.until(lambda: endpoint.get(job).status.value == "IN_QUEUE")
        assert (await worker.take())["id"] == job

    played(test)


def test_a_worker_that_never_gets_ready_is_unhealthy_with_the_reason_and_tried_again_ever_later(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.run(1)
        for number, pause in [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)]:
            worker = await cloud.actor(number)
            worker.worker.log.feed(b"Traceback:\nModuleNotFoundError: No module named 'torch'\n", 0.0)
            worker.worker.exit(1)
            await cloud.until(lambda: cloud.statuses() == ["UNHEALTHY"])
            (view,) = cloud.views()
            assert "exited with code 1 before it was ready" in view.reason
            assert "No module named 'torch'" in view.reason
            assert ("in a row" in view.reason) == (number > 1)
            await cloud.clock.advance(pause - 0.01)
            assert len(cloud.stage.workers) == number
            await cloud.clock.advance(0.01)
        worker = await cloud.actor(5)
        assert cloud.statuses() == ["INITIALIZING", "UNHEALTHY"]
        await worker.take()
        assert cloud.statuses() == ["RUNNING"]

    played(test)


def test_the_runtimes_own_report_is_the_reason(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker = await cloud.actor()
        report = (
            b'{"pilotlight": {"phase": "failed", "seconds": 0.1, "error": "load failed: no config.json"}}'
        )
        worker.worker.log.feed(report + b"\n", 0.0)
        worker.worker.exit(1)
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        (view,) = [view for view in cloud.views() if view.reason]
        assert view.reason == "exited with code 1 before it was ready: load failed: no config.json"

    played(test)


def test_a_program_that_cannot_be_started_is_unhealthy(played):
    async def test(cloud):
        cloud.stage.fail = "no such interpreter"
        await cloud.apply()
        await cloud.run(1)
        await cloud.until(lambda: cloud.statuses() == ["UNHEALTHY"])
        assert "no such interpreter" in cloud.views()[0].reason

    played(test)


def test_a_worker_too_slow_to_start_is_unhealthy(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.run(1)
        worker = await cloud.actor()
        await cloud.clock.advance(419)
        assert worker.worker.signals == []
        await cloud.clock.advance(1)
        assert worker.worker.signals == ["KILL"]
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        assert "420 s" in next(view.reason for view in cloud.views() if view.reason)

    played(test)


def test_a_failed_fitness_check_is_the_reason(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.run(1)
        worker = await cloud.actor()
        await worker.get("ping", "&status=unhealthy&check=gpu&reason=no+device")
        worker.worker.exit(1)
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        assert "no device" in next(view.reason for view in cloud.views() if view.reason)

    played(test)


def test_a_refused_image_shows_at_once_without_any_job(played):
    async def test(cloud):
        cloud.images.refused[cloud.record.image] = "not in the local registry"
        await cloud.apply()
        await cloud.until(lambda: cloud.statuses() == ["UNHEALTHY"])
        assert "not in the local registry" in cloud.views()[0].reason
        assert (await cloud.call("GET", "health"))["workers"]["unhealthy"] == 1
        await cloud.run(1)
        await cloud.until(lambda: cloud.fleet._endpoints[cloud.record.id].crew._backoff.waiting)
        await cloud.clock.advance(0.5)
        await cloud.until(lambda: "2 times in a row" in cloud.views()[0].reason)
        assert cloud.stage.workers == []
        cloud.images.refused.clear()
        await cloud.apply(version=2, image="registry.pilotlight.internal/search:good")
        await cloud.actor()
        assert cloud.statuses() == ["INITIALIZING"]

    played(test)


def test_no_stock_throttles_until_there_is_some(played):
    async def test(cloud):
        cloud.faults.replace({"sold out": Fault(kind=FaultKind.STOCK_OUT)})
        await cloud.apply()
        job = await cloud.run(1)
        assert cloud.statuses() == ["THROTTLED"]
        assert "AMPERE_24" in cloud.views()[0].reason
        await cloud.clock.advance(30)
        assert cloud.statuses() == ["THROTTLED"]
        assert (await cloud.call("GET", "health"))["workers"]["throttled"] == 1
        cloud.faults.replace({})
        cloud.fleet.settings_changed()
        assert (await (await cloud.actor()).take())["id"] == job

    played(test)


def test_throttling_ends_by_itself_when_the_fault_is_spent(played):
    async def test(cloud):
        cloud.faults.replace({"sold out": Fault(kind=FaultKind.STOCK_OUT, times=2)})
        await cloud.apply()
        await cloud.run(1)
        await cloud.clock.advance(10)
        assert cloud.stage.workers == []
        await cloud.clock.advance(10)
        await cloud.actor()

    played(test)


def test_a_slow_boot_takes_its_time(played):
    async def test(cloud):
        cloud.faults.replace({"slow": Fault(kind=FaultKind.SLOW_BOOT, seconds=30)})
        await cloud.apply()
        await cloud.run(1)
        await cloud.clock.advance(29)
        assert (cloud.statuses(), cloud.stage.workers) == (["INITIALIZING"], [])
        await cloud.clock.advance(1)
        await cloud.actor()

    played(test)


def test_a_crash_on_demand_hits_one_endpoint_at_the_moment_asked_for(played):
    async def test(cloud):
        path = f"/v2/{cloud.record.id}/job"
        cloud.faults.replace({"crash": Fault(kind=FaultKind.CRASH, path=path, times=1)})
        await cloud.apply()
        job = await cloud.run(1)
        worker = await cloud.actor()
        poll = worker.taking()
        second = await cloud.actor(2)
        assert worker.worker.signals == ["KILL"]
        assert (await second.take())["id"] == job
        await poll

    played(test)


def test_a_real_cold_start_waits_for_its_machine_and_an_instant_one_does_not(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.run(1)
        await cloud.clock.advance(39)
        assert cloud.stage.workers == []
        await cloud.clock.advance(1)
        await cloud.actor()

    played(test, cold_start="real")


def test_a_worker_no_longer_wanted_when_its_image_is_refused_is_just_gone(played):
    async def test(cloud):
        cloud.faults.replace({"slow": Fault(kind=FaultKind.SLOW_BOOT, seconds=30)})
        await cloud.apply(workers_min=1)
        await cloud.clock.advance(1)
        cloud.stage.fail = "no such interpreter"
        await cloud.apply(workers_min=0, workers_max=0)
        assert cloud.views() == []
        await cloud.clock.advance(60)
        assert cloud.views() == []

    played(test)
