"""The job API, with a worker played by the test on a manual clock."""

import pytest

KEY = "local-key"


def test_a_job_from_queue_to_result_with_its_times(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run({"a": 1})
        assert await cloud.status(job) == {"id": job, "status": "IN_QUEUE"}
        worker = await cloud.actor()
        await cloud.clock.advance(2.5)
        assert await worker.take() == {"id": job, "input": {"a": 1}}
        running = await cloud.status(job)
        assert (running["status"], running["delayTime"]) == ("IN_PROGRESS", 2500)
        await cloud.clock.advance(1.25)
        assert await worker.done(job, {"output": [1, 2]}) == 200
        assert await cloud.status(job) == {
            "id": job,
            "status": "COMPLETED",
            "delayTime": 2500,
            "executionTime": 1250,
            "workerId": worker.worker.id,
            "output": [1, 2],
        }

    played(test)


def test_runsync_answers_with_the_result(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, poll = await cloud.ready()
        answer = cloud.ask("POST", "runsync", {"input": "x"})
        _, job = await poll
        await worker.done(job["id"], {"output": "y"})
        result = await answer
        assert (result["status"], result["output"]) == ("COMPLETED", "y")
        assert result["id"].startswith("sync-")

    played(test)


def test_runsync_gives_up_waiting_after_wait_and_the_job_goes_on(played):
    async def test(cloud):
        await cloud.apply(workers_max=0)
        endpoint = cloud.fleet._endpoints[cloud.record.id]
        answer = cloud.ask("POST", "runsync?wait=2000", {"input": "x"})
        await cloud.until(lambda: endpoint._waiting_end)
        await cloud.clock.advance(1.9)
        assert not answer.done()
        await cloud.clock.advance(0.1)
        result = await answer
        assert result["status"] == "IN_QUEUE"
        assert (await cloud.status(result["id"]))["status"] == "IN_QUEUE"

    played(test)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "wrong", f"Basic {KEY}"])
def test_a_wrong_key_is_401(played, header):
    async def test(cloud):
        await cloud.apply()
        answer = await cloud.call("GET", "health", key=header, expect=401)
        assert "API key" in answer["error"]

    played(test)


def test_both_ways_to_send_the_key(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.call("GET", "health", key=KEY)
        await cloud.call("GET", "health", key=f"Bearer {KEY}")

    played(test)


def test_what_is_not_there_is_404(played):
    async def test(cloud):
        await cloud.call("GET", "health", expect=404)
        await cloud.apply()
        for method, operation in [
            ("GET", "status/nope"),
            ("GET", "status-sync/nope"),
            ("GET", "stream/nope"),
            ("POST", "cancel/nope"),
            ("POST", "retry/nope"),
        ]:
            await cloud.call(method, operation, expect=404)

    played(test)


def test_a_body_that_is_no_job_or_too_large_is_refused(played):
    async def test(cloud):
        await cloud.apply()
        assert "JSON" in (await cloud.call("POST", "run", b"{", expect=400))["error"]
        assert "input" in (await cloud.call("POST", "run", {}, expect=400))["error"]
        big = b'{"input":"' + b"x" * (10 * 1024 * 1024) + b'"}'
        await cloud.call("POST", "run", big, expect=413)
        await cloud.apply(workers_max=0)
        answer = cloud.ask("POST", "runsync?wait=1000", big)
        endpoint = cloud.fleet._endpoints[cloud.record.id]
        await cloud.until(lambda: endpoint._waiting_end)
        await cloud.call("POST", "purge-queue")
        assert (await answer)["status"] == "CANCELLED"
        assert (await cloud.call("GET", "health"))["jobs"]["inQueue"] == 0

    played(test)


def test_stream_drains_chunks_and_waits_for_the_next(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        await worker.chunk(job, "a")
        await worker.chunk(job, {"b": 1})
        first = await cloud.call("GET", f"stream/{job}")
        assert first["stream"] == [{"output": "a"}, {"output": {"b": 1}}]
        assert first["status"] == "IN_PROGRESS"
        endpoint = cloud.fleet._endpoints[cloud.record.id]
        held = cloud.ask("GET", f"stream/{job}")
        await cloud.until(lambda: endpoint._waiting_chunk)
        await worker.chunk(job, "c")
        assert (await held)["stream"] == [{"output": "c"}]
        held = cloud.ask("GET", f"stream/{job}")
        await cloud.until(lambda: endpoint._waiting_chunk)
        await cloud.clock.advance(10)
        assert (await held)["stream"] == []
        held = cloud.ask("GET", f"stream/{job}")
        await cloud.until(lambda: endpoint._waiting_chunk)
        await worker.done(job, {"output": []}, stream=True)
        assert await held == {"id": job, "status": "COMPLETED", "stream": []}

    played(test)


def test_a_chunk_over_a_megabyte_is_refused(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        assert await worker.chunk(job, "x" * 1024 * 1024) == 400
        assert await worker.chunk(job, "x" * 1000) == 200

    played(test)


def test_progress_shows_while_the_job_runs(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        await worker.done(job, {"status": "IN_PROGRESS", "output": "half"})
        now = await cloud.status(job)
        assert (now["status"], now["output"]) == ("IN_PROGRESS", "half")
        await worker.done(job, {"output": "all"})
        await worker.done(job, {"status": "IN_PROGRESS", "output": "late"})
        assert (await cloud.status(job))["output"] == "all"

    played(test)


def test_an_error_fails_the_job_and_a_result_without_output_has_none(played):
    async def test(cloud):
        await cloud.apply()
        first, second = await cloud.run(1), await cloud.run(2)
        worker = await cloud.actor()
        await worker.take()
        await worker.done(first, {"error": "boom", "output": {"part": 1}})
        failed = await cloud.status(first)
        assert (failed["status"], failed["error"], failed["output"]) == ("FAILED", "boom", {"part": 1})
        await worker.take()
        await worker.done(second, {})
        assert "output" not in await cloud.status(second)

    played(test)


def test_a_queued_job_is_cancelled_before_it_runs(played):
    async def test(cloud):
        await cloud.apply()
        first, second = await cloud.run(1), await cloud.run(2)
        assert await cloud.call("POST", f"cancel/{first}") == {"id": first, "status": "CANCELLED"}
        worker = await cloud.actor()
        assert (await worker.take())["id"] == second
        assert (await cloud.status(first))["status"] == "CANCELLED"
        assert (await cloud.call("POST", f"cancel/{first}"))["status"] == "CANCELLED"

    played(test)


def test_retry_runs_a_failed_job_again_under_its_id(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run("again")
        worker = await cloud.actor()
        await cloud.call("POST", f"retry/{job}", expect=400)
        await worker.take()
        await worker.done(job, {"error": "boom", "output": "half"})
        assert await cloud.call("POST", f"retry/{job}") == {"id": job, "status": "IN_QUEUE"}
        assert await cloud.status(job) == {"id": job, "status": "IN_QUEUE"}
        assert await worker.take() == {"id": job, "input": "again"}
        await worker.done(job, {"output": "whole"})
        assert (await cloud.status(job))["output"] == "whole"
        await cloud.call("POST", f"retry/{job}", expect=400)

    played(test)


def test_a_job_tried_again_is_kept_until_the_end_of_its_ttl(played):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run(1, policy={"ttl": 7_200_000})
        worker = await cloud.actor()
        await worker.take()
        await worker.done(job, {"error": "boom"})
        await cloud.apply(workers_max=0)
        await cloud.call("POST", f"retry/{job}")
        await cloud.clock.advance(7199)
        assert (await cloud.status(job))["status"] == "IN_QUEUE"
        await cloud.clock.advance(1)
        await cloud.call("GET", f"status/{job}", expect=404)

    played(test)


def test_purge_empties_the_queue_and_leaves_what_runs(played):
    async def test(cloud):
        await cloud.apply()
        jobs = [await cloud.run(n) for n in range(4)]
        worker = await cloud.actor()
        await worker.take()
        assert await cloud.call("POST", "purge-queue") == {"removed": 3, "status": "completed"}
        await worker.done(jobs[0], {"output": 1})
        assert (await cloud.status(jobs[0]))["status"] == "COMPLETED"
        assert (await cloud.status(jobs[3]))["status"] == "CANCELLED"

    played(test)


def test_health_metrics_and_requests(played):
    async def test(cloud):
        await cloud.apply()
        jobs = [await cloud.run(n) for n in range(3)]
        worker = await cloud.actor()
        health = await cloud.call("GET", "health")
        assert health["workers"]["initializing"] == 1
        await worker.take()
        await worker.done(jobs[0], {"output": 1})
        await worker.take()
        await worker.done(jobs[1], {"error": "boom"})
        await worker.take()
        health = await cloud.call("GET", "health")
        assert health["jobs"] == {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 0, "retried": 0}
        assert health["workers"] == {
            "idle": 0,
            "initializing": 0,
            "ready": 1,
            "running": 1,
            "throttled": 0,
            "unhealthy": 0,
        }
        assert (await cloud.call("GET", "metrics"))["readyWorkers"] == [worker.worker.id]
        assert [job["id"] for job in (await cloud.call("GET", "requests"))["requests"]] == jobs

    played(test)


def test_too_many_requests_are_429_with_a_time_to_come_back(played):
    async def test(cloud):
        await cloud.apply()
        for _ in range(2):
            await cloud.call("POST", "purge-queue")
        await cloud.call("POST", "purge-queue", expect=429)
        await cloud.clock.advance(10)
        await cloud.call("POST", "purge-queue")

    played(test, rate_limit=True)
