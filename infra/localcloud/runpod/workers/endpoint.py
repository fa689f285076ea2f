"""One endpoint's jobs: from submission over a worker to a result, with every way a job can end."""

import asyncio
from functools import partial
from typing import Any

from infra.localcloud.core.timers import Timer
from infra.localcloud.core.waiters import Waiters
from infra.localcloud.runpod.jobs.batches import TTL_S as BATCH_TTL_S
from infra.localcloud.runpod.jobs.batches import Batches
from infra.localcloud.runpod.jobs.queue import NOTHING, Job, JobQueue, JobStatus, new_id
from infra.localcloud.runpod.model import EndpointRecord, JobCounts
from infra.localcloud.runpod.workers.crew import Crew
from infra.localcloud.runpod.workers.journal import Namespace
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.worker import Phase, StopPoll, TakePoll, Worker

DEFAULT_TIMEOUT_S = 600.0  # executionTimeout where the endpoint stores 0
DEFAULT_TTL_S = 24 * 3600.0
KEEP_ASYNC_S, KEEP_SYNC_S = 30 * 60.0, 60.0  # how long a finished job is still known
POLL_S = 55.0  # a long poll is held for so long; the SDK gives up at 90
STOPPING_POLL_S = (
    0.5  # a worker that is being stopped is never answered at once: it would ask again in a hot loop
)
STOP_JOB_GRACE_S = 5.0  # a worker that does not react to a stopped job within this is killed


class Endpoint:
    """`submit` … `purge` serve the job API, `take` … `stream` the workers. Everything runs on the event loop."""

    def __init__(self, record: EndpointRecord, platform: Platform) -> None:
        self.queue = JobQueue()
        self.completed = self.failed = self.retried = 0
        self._platform, self._clock = platform, platform.clock
        self._ends: dict[str, Timer] = {}  # ttl while a job is open, retention afterwards
        self._limits: dict[str, Timer] = {}  # execution timeouts
        self._waiting_end = Waiters(platform.timers)
        self._waiting_chunk = Waiters(platform.timers)
        self.crew = Crew(record, platform, self)
        self.batches = Batches(self._clock, self._kept, self._submit_batched)
        self._restore()

    @property
    def id(self) -> str:
        return self.crew.record.id

    # The job API

    def submit(
        self,
        payload: Any,
        *,
        sync: bool,
        webhook: str | None = None,
        timeout_s: float | None = None,
        ttl_s: float | None = None,
        low_priority: bool = False,
        batch: list[str] | None = None,
    ) -> Job:
        now = self._clock.now()
        job = Job(
            id=new_id(sync),
            input=payload,
            sync=sync,
            created_at=now,
            queued_at=now,
            ttl_s=DEFAULT_TTL_S if ttl_s is None else ttl_s,
            timeout_s=timeout_s,
            low_priority=low_priority,
            batch=batch,
            webhook=webhook,
        )
        self.queue.add(job)
        self._ends[job.id] = self._platform.timers.after(job.ttl_s, lambda: self._vanish(job))
        self._changed(job)
        self._platform.requested(self.id)
        self._feed()
        self.crew.adjust()
        return job

    def get(self, job_id: str) -> Job | None:
        return self.queue.jobs.get(job_id)

    async def wait_end(self, job: Job, seconds: float) -> None:
        """Until the job is final or gone, at most so long."""
        if not job.status.final and job.id in self.queue.jobs:
            await self._waiting_end.wait(job.id, seconds)

    async def wait_chunk(self, job: Job, seconds: float) -> None:
        if not job.status.final and not job.chunks and job.id in self.queue.jobs:
            await self._waiting_chunk.wait(job.id, seconds)

    def cancel(self, job: Job) -> None:
        if job.status is JobStatus.IN_QUEUE:
            self.queue.withdraw(job)
        elif job.status is not JobStatus.IN_PROGRESS:
            return
        self._finish(job, JobStatus.CANCELLED)
        self.crew.adjust()

    def retry(self, job: Job) -> None:
        """The caller has checked that it is FAILED or TIMED_OUT."""
        self.retried += 1
        job.restart(self._clock.now())
        job.crashes = 0
        self.queue.enqueue(job)
        left = job.created_at + job.ttl_s - self._clock.now()
        self._set(self._ends, job.id, self._platform.timers.after(left, lambda: self._vanish(job)))
        self._changed(job)
        self._feed()
        self.crew.adjust()

    def purge(self) -> int:
        waiting = list(self.queue.waiting())
        for job in waiting:
            self.cancel(job)
        return len(waiting)

    def counts(self) -> JobCounts:
        running = sum(len(worker.jobs) for worker in self.crew.workers.values())
        return JobCounts(self.completed, self.failed, running, len(self.queue), self.retried)

    # The workers

    async def take(self, worker: Worker, count: int) -> list[Job]:
        """Up to `count` jobs, waiting for the first of them. Empty: none came, ask again."""
        self.crew.ready(worker)
        worker.release_take([])
        answer: asyncio.Future[list[Job]] = asyncio.get_running_loop().create_future()
        hold = STOPPING_POLL_S if worker.phase is Phase.STOPPING else POLL_S
        expiry = self._platform.timers.after(hold, lambda: worker.release_take([]))
        worker.take = TakePoll(count, answer, expiry)
        self._feed()
        self.crew.adjust()
        return await answer

    async def stops(self, worker: Worker) -> list[str]:
        """Ids of jobs to stop. Asking again proves that the worker has acted on those it was told before."""
        acted = [job_id for job_id in worker.stopping if job_id not in worker.stop_ids]
        for job_id in acted:
            worker.stopping.pop(job_id).cancel()
        if acted:
            self.crew.rested(worker)
            self._feed()
        if worker.stop_ids:
            return self._tell_stops(worker)
        worker.release_stop([])
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        hold = STOPPING_POLL_S if worker.phase is Phase.STOPPING else POLL_S
        worker.stop = StopPoll(answer, self._platform.timers.after(hold, lambda: worker.release_stop([])))
        return await answer

    def done(self, worker: Worker, job_id: str, result: dict[str, Any]) -> None:
        """A result, or a progress update. What comes for a job that is over, or is another worker's, is dropped."""
        job = worker.jobs.get(job_id)
        if job is not None and result.get("status") == "IN_PROGRESS":
            job.output = result.get("output")
            self._changed(job)
            return
        if job is not None:
            job.output = result.get("output", NOTHING)
            job.error = result.get("error")
            self._finish(job, JobStatus.FAILED if job.error else JobStatus.COMPLETED)
            self.crew.job_done(worker)
        if result.get("stopPod"):
            self.crew.retire(worker)
        self._feed()
        self.crew.adjust()

    def stream(self, worker: Worker, job_id: str, chunk: Any) -> None:
        if (job := worker.jobs.get(job_id)) is not None:
            job.chunks.append(chunk)
            self._waiting_chunk.wake(job.id)

    def put_back(self, worker: Worker, jobs: list[Job]) -> None:
        """They could not be handed over."""
        for job in jobs:
            worker.jobs.pop(job.id, None)
            if job.status is JobStatus.IN_PROGRESS:
                self._requeue(job)
        self.crew.rested(worker)
        self._feed()

    # The crew's host

    def queue_load(self) -> tuple[int, float]:
        since = self.queue.head_since
        return self.queue.scaling_length, 0.0 if since is None else max(0.0, self._clock.now() - since)

    def started(self, worker: Worker) -> None:
        """It asks for jobs by itself."""

    def lost(self, worker: Worker, jobs: list[Job], how: str, crashed: bool) -> None:
        for job in jobs:
            if job.status is not JobStatus.IN_PROGRESS:
                continue
            job.crashes += crashed
            if job.crashes > 1:
                job.error = f"the worker {how} while it ran this job, twice"
                self._finish(job, JobStatus.FAILED)
            else:
                self.retried += crashed
                self._requeue(job)
        self._feed()

    # Change and end

    def apply(self, record: EndpointRecord) -> None:
        self.crew.apply(record)
        self._feed()

    async def close(self, grace_s: float) -> None:
        """Stop the workers. What they had goes back to the queue, which the store keeps."""
        await self.crew.close(grace_s)
        self._waiting_end.wake_all()
        self._waiting_chunk.wake_all()

    async def remove(self) -> None:
        for job in list(self.queue.jobs.values()):
            self.cancel(job)
        await self.crew.close(0)
        for timer in self._ends.values():
            timer.cancel()
        self._waiting_end.wake_all()
        self._waiting_chunk.wake_all()
        self._platform.journal.forget(self.id)
        self.batches.forget()

    def _restore(self) -> None:
        jobs, counts = self._platform.journal.load(self.id)
        self.completed, self.failed = counts.get("completed", 0), counts.get("failed", 0)
        self.retried = counts.get("retried", 0)
        now = self._clock.now()
        for job in jobs:
            if job.status is JobStatus.IN_PROGRESS:
                job.restart(job.queued_at)
            self.queue.add(job)
            if job.status.final:
                self._keep(job, (job.finished_at or now) - now)
            else:
                left = job.created_at + job.ttl_s - now
                self._ends[job.id] = self._platform.timers.after(left, partial(self._vanish, job))

    def _feed(self) -> None:
        """Give waiting jobs to workers that wait for jobs: the least busy first, then the oldest, so that the newest
        fall idle."""
        while len(self.queue):
            takers = [worker for worker in self.crew.workers.values() if worker.can_take]
            if not takers:
                return
            worker = min(takers, key=lambda worker: (len(worker.jobs), worker.created_at))
            jobs = self.queue.take(worker.take.count if worker.take else 0)
            for job in jobs:
                self._begin(job, worker)
            worker.release_take(jobs)

    def _begin(self, job: Job, worker: Worker) -> None:
        job.status, job.started_at, job.worker_id = JobStatus.IN_PROGRESS, self._clock.now(), worker.id
        worker.jobs[job.id] = job
        limit = job.timeout_s or self.crew.record.timeout_ms / 1000 or DEFAULT_TIMEOUT_S
        self._set(
            self._limits, job.id, self._platform.timers.after(limit, lambda: self._too_long(job, limit))
        )
        self._changed(job)
        if worker.process is not None and self._platform.faults.crashes(self.crew.record, "job"):
            worker.process.kill()

    def _requeue(self, job: Job) -> None:
        self._cancel(self._limits, job.id)
        job.restart(self._clock.now())
        self.queue.put_back(job)
        self._changed(job)

    def _finish(self, job: Job, status: JobStatus) -> None:
        job.status, job.finished_at = status, self._clock.now()
        self._cancel(self._limits, job.id)
        self.completed += status is JobStatus.COMPLETED
        self.failed += status in (JobStatus.FAILED, JobStatus.TIMED_OUT)
        self._release_worker(job, told=status in (JobStatus.COMPLETED, JobStatus.FAILED))
        self._keep(job, 0.0)
        self._changed(job)
        self._platform.journal.count(
            self.id, {"completed": self.completed, "failed": self.failed, "retried": self.retried}
        )
        self._waiting_end.wake(job.id)
        self._waiting_chunk.wake(job.id)
        if job.webhook:
            self._platform.notify(job.webhook, job.view())

    def _keep(self, job: Job, age_s: float) -> None:
        left = (KEEP_SYNC_S if job.sync else KEEP_ASYNC_S) + age_s
        self._set(self._ends, job.id, self._platform.timers.after(left, lambda: self._forget(job)))

    def _too_long(self, job: Job, limit_s: float) -> None:
        job.error = f"executionTimeout: the job ran longer than {limit_s:g} s"
        self._finish(job, JobStatus.TIMED_OUT)
        self.crew.adjust()

    def _vanish(self, job: Job) -> None:
        """Its ttl is over: nothing of it remains, even if it runs."""
        self._cancel(self._limits, job.id)
        self._release_worker(job, told=False)
        self._forget(job)
        self._waiting_end.wake(job.id)
        self._waiting_chunk.wake(job.id)
        self.crew.adjust()

    def _forget(self, job: Job) -> None:
        self._cancel(self._ends, job.id)
        self.queue.forget(job)
        self._platform.journal.drop(self.id, job.id)

    def _release_worker(self, job: Job, told: bool) -> None:
        """Take the job off its worker. Unless the worker ended it itself, it is told to stop, and killed if it is deaf
        (a handler that blocks cannot be stopped in any other way)."""
        worker = self.crew.workers.get(job.worker_id or "")
        if worker is None or worker.jobs.pop(job.id, None) is None:
            return
        if not told and worker.phase is Phase.READY:
            worker.stop_ids.append(job.id)
            why = f"killed: did not stop job {job.id} within {STOP_JOB_GRACE_S:g} s"
            worker.stopping[job.id] = self._platform.timers.after(
                STOP_JOB_GRACE_S, lambda: self.crew.kill(worker, why)
            )
            if worker.stop is not None:
                worker.release_stop(self._tell_stops(worker))

    def _tell_stops(self, worker: Worker) -> list[str]:
        ids, worker.stop_ids = worker.stop_ids, []
        return ids

    def _kept(self, name: str) -> Namespace:
        return self._platform.kept(f"{name}/{self.id}")

    def _submit_batched(self, batch_id: str, payload: Any, request_id: str) -> Job:
        return self.submit(payload, sync=False, ttl_s=BATCH_TTL_S, batch=[batch_id, request_id])

    def _changed(self, job: Job) -> None:
        if job.batch:
            self.batches.changed(job)
        if job.id in self.queue.jobs:
            self._platform.journal.touch(self.id, job)

    def _set(self, timers: dict[str, Timer], job_id: str, timer: Timer) -> None:
        self._cancel(timers, job_id)
        timers[job_id] = timer

    def _cancel(self, timers: dict[str, Timer], job_id: str) -> None:
        if (timer := timers.pop(job_id, None)) is not None:
            timer.cancel()
