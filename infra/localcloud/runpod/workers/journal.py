"""Jobs on disk, off the hot path: what changed is written together, a moment later, so a restart loses nothing old."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from infra.localcloud.core.timers import Timer, Timers
from infra.localcloud.runpod.jobs.queue import Job

FLUSH_S = 0.2


class Namespace(Protocol):
    """JSON values by key. A missing key reads as None; deleting it is fine."""

    def put(self, key: str, value: Any) -> None: ...
    def get(self, key: str) -> Any: ...
    def delete(self, *keys: str) -> None: ...
    def items(self) -> Iterable[tuple[str, Any]]: ...


class KeyValues(Protocol):
    def kv(self, namespace: str) -> Namespace: ...
    def transaction(self) -> AbstractContextManager[None]: ...


class Journal:
    """`touch` and `drop` note, `flush` writes. A job that came and went in between is never written."""

    def __init__(self, store: KeyValues, timers: Timers) -> None:
        self._store, self._timers = store, timers
        self._totals = store.kv("job-counts")
        self._dirty: dict[tuple[str, str], Job | None] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._written: set[tuple[str, str]] = set()
        self._pending: Timer | None = None

    def touch(self, endpoint_id: str, job: Job) -> None:
        self._note((endpoint_id, job.id), job)

    def drop(self, endpoint_id: str, job_id: str) -> None:
        self._note((endpoint_id, job_id), None)

    def count(self, endpoint_id: str, counts: dict[str, int]) -> None:
        self._counts[endpoint_id] = counts
        self._schedule()

    def load(self, endpoint_id: str) -> tuple[list[Job], dict[str, int]]:
        """Jobs in the order they were queued, and the endpoint's counters."""
        jobs = [Job.load(value) for _, value in self._jobs(endpoint_id).items()]
        self._written |= {(endpoint_id, job.id) for job in jobs}
        return sorted(jobs, key=lambda job: job.turn), self._totals.get(endpoint_id) or {}

    def forget(self, endpoint_id: str) -> None:
        for key in [key for key in self._dirty if key[0] == endpoint_id]:
            del self._dirty[key]
        stored = self._jobs(endpoint_id)
        stored.delete(*(job_id for job_id, _ in stored.items()))
        self._written = {key for key in self._written if key[0] != endpoint_id}
        self._counts.pop(endpoint_id, None)
        self._totals.delete(endpoint_id)

    def flush(self) -> None:
        self._pending = None
        dirty, self._dirty = self._dirty, {}
        counts, self._counts = self._counts, {}
        with self._store.transaction():
            for key, job in dirty.items():
                if job is not None:
                    self._jobs(key[0]).put(key[1], job.dump())
                    self._written.add(key)
                elif key in self._written:
                    self._jobs(key[0]).delete(key[1])
                    self._written.discard(key)
            for endpoint_id, values in counts.items():
                self._totals.put(endpoint_id, values)

    def _note(self, key: tuple[str, str], job: Job | None) -> None:
        self._dirty[key] = job
        self._schedule()

    def _schedule(self) -> None:
        if self._pending is None or not self._pending.pending:
            self._pending = self._timers.after(FLUSH_S, self.flush)

    def _jobs(self, endpoint_id: str) -> Namespace:
        return self._store.kv(f"jobs/{endpoint_id}")
