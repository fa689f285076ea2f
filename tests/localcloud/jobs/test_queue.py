"""The queue, without time or sockets."""

from infra.localcloud.runpod.jobs.queue import Job, JobQueue, JobStatus, new_id


def job(name: str, at: float = 0.0, low: bool = False) -> Job:
    return Job(id=name, input={}, sync=False, created_at=at, queued_at=at, ttl_s=60, low_priority=low)


def filled(*jobs: Job) -> JobQueue:
    queue = JobQueue()
    for each in jobs:
        queue.add(each)
    return queue


def ids(jobs: list[Job]) -> list[str]:
    return [each.id for each in jobs]


def test_first_come_first_served_and_low_priority_last():
    queue = filled(job("low", low=True), job("a"), job("b"))
    assert ids(queue.take(2)) == ["a", "b"]
    assert ids(queue.take(5)) == ["low"]
    assert queue.take(1) == []


def test_a_job_put_back_is_first_again():
    queue = filled(job("a"), job("b"))
    (first,) = queue.take(1)
    queue.put_back(first)
    assert ids(queue.take(2)) == ["a", "b"]


def test_low_priority_jobs_do_not_ask_for_workers():
    queue = filled(job("low", 1.0, low=True))
    assert (queue.scaling_length, queue.head_since, len(queue)) == (0, None, 1)
    queue.add(job("a", 7.0))
    assert (queue.scaling_length, queue.head_since, len(queue)) == (1, 7.0, 2)


def test_a_withdrawn_job_is_known_and_a_forgotten_one_is_not():
    queue = filled(job("a"), job("b"))
    queue.withdraw(queue.jobs["a"])
    assert "a" in queue.jobs
    queue.forget(queue.jobs["b"])
    assert "b" not in queue.jobs
    assert queue.take(2) == []


def test_a_view_has_times_in_milliseconds_and_only_what_is_there():
    one = job("a", 100.0)
    assert one.view() == {"id": "a", "status": "IN_QUEUE"}
    one.status, one.started_at, one.finished_at, one.worker_id = JobStatus.COMPLETED, 100.25, 101.5, "w"
    one.output = None
    assert one.view() == {
        "id": "a",
        "status": "COMPLETED",
        "delayTime": 250,
        "executionTime": 1250,
        "workerId": "w",
        "output": None,
    }


def test_a_job_survives_being_stored():
    one = job("a", 5.0)
    one.chunks.extend([1, {"b": 2}])
    assert Job.load(one.dump()) == one
    one.output = None
    assert Job.load(one.dump()).view() == one.view()


def test_ids_tell_sync_from_async():
    assert new_id(True).startswith("sync-")
    assert new_id(False).endswith("-u1")
    assert new_id(False) != new_id(False)
