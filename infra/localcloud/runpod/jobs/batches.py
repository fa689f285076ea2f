"""Batches of one endpoint: requests that are collected, locked, and then run behind all others.

Source: RunPod's documentation, "Batch jobs" (beta, 2026-08): states DRAFT, FINALIZED, FAILED and CANCELLED; progress is
told by counts, and a batch that is done stays FINALIZED.
"""

import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from infra.localcloud.core.clock import Clock
from infra.localcloud.runpod.jobs.queue import NOTHING, Job, JobStatus
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.localcloud.runpod.workers.journal import Namespace

ACTIVE, REQUESTS = 10, 5000  # drafts and unfinished batches of an endpoint; requests of a batch
TTL_S = 7 * 24 * 3600.0
_OVER = ("COMPLETED", "FAILED", "CANCELLED")


class BatchRefused(PilotlightError):
    """What was asked does not go with the batch's state or the limits."""


class Batches:
    """A batch and a request are JSON objects, kept in the store; `submit` makes a job of a request's input."""

    def __init__(
        self, clock: Clock, kept: "Callable[[str], Namespace]", submit: Callable[[str, Any, str], Job]
    ) -> None:
        self._clock, self._kept, self._submit = clock, kept, submit
        self._batches: dict[str, dict[str, Any]] = dict(kept("batches").items())
        self._requests: dict[str, dict[str, dict[str, Any]]] = {
            batch_id: dict(kept(f"batch/{batch_id}").items()) for batch_id in self._batches
        }

    def create(self, name: str, inputs: list[Any]) -> dict[str, Any]:
        active = sum(self._active(batch_id) for batch_id in self._batches)
        if active >= ACTIVE:
            raise BatchRefused(f"the endpoint has {active} active batches, and may have {ACTIVE}")
        _check_count(len(inputs))
        batch_id = f"batch_{uuid.uuid4().hex[:20]}"
        now = self._clock.now()
        self._batches[batch_id] = {"id": batch_id, "name": name, "status": "DRAFT", "createdAt": now}
        self._requests[batch_id] = {}
        self._save(batch_id)
        return self.add(batch_id, inputs)

    def add(self, batch_id: str, inputs: list[Any]) -> dict[str, Any]:
        requests = self._draft(batch_id)
        _check_count(len(requests) + len(inputs))
        first = max((request["turn"] for request in requests.values()), default=0) + 1
        for turn, payload in enumerate(inputs, first):
            request_id = f"req_{uuid.uuid4().hex[:20]}"
            requests[request_id] = {"id": request_id, "turn": turn, "status": "DRAFT", "input": payload}
            self._save_request(batch_id, requests[request_id])
        return self.view(batch_id)

    def remove(self, batch_id: str, request_id: str) -> None:
        del self._draft(batch_id)[request_id]
        self._kept(f"batch/{batch_id}").delete(request_id)

    def rename(self, batch_id: str, name: str) -> dict[str, Any]:
        self._batches[batch_id]["name"] = name
        self._save(batch_id)
        return self.view(batch_id)

    def finalize(self, batch_id: str) -> dict[str, Any]:
        requests = self._draft(batch_id)
        if not requests:
            raise BatchRefused("a batch without requests cannot be finalized")
        self._batches[batch_id] |= {"status": "FINALIZED", "finalizedAt": self._clock.now()}
        self._save(batch_id)
        for request in sorted(requests.values(), key=lambda request: int(request["turn"])):
            job = self._submit(batch_id, request["input"], request["id"])
            request |= {"status": "IN_QUEUE", "job": job.id}
            self._save_request(batch_id, request)
        return self.view(batch_id)

    def cancel(self, batch_id: str) -> list[str]:
        """The jobs to cancel: those that run already are let finish."""
        batch = self._batches[batch_id]
        if batch["status"] not in ("DRAFT", "FINALIZED"):
            raise BatchRefused(f"the batch is {batch['status']}")
        batch["status"] = "CANCELLED"
        self._save(batch_id)
        waiting = [r for r in self._requests[batch_id].values() if r["status"] in ("DRAFT", "IN_QUEUE")]
        for request in waiting:
            request["status"] = "CANCELLED"
            self._save_request(batch_id, request)
        return [request["job"] for request in waiting if "job" in request]

    def changed(self, job: Job) -> None:
        """A job of a batch began, went back to the queue, or is over."""
        request = self._requests.get(job.batch[0], {}).get(job.batch[1]) if job.batch else None
        if request is None or not job.batch or request["status"] in _OVER:
            return
        status = JobStatus.FAILED if job.status is JobStatus.TIMED_OUT else job.status
        request["status"] = status.value
        times = {"startedAt": job.started_at, "completedAt": job.finished_at, "error": job.error}
        request |= {name: value for name, value in times.items() if value is not None}
        if job.output is not NOTHING:
            request["output"] = job.output
        if job.status.final:
            self._save_request(job.batch[0], request)

    def view(self, batch_id: str) -> dict[str, Any]:
        """KeyError for an unknown batch."""
        batch = self._batches[batch_id]
        states = [request["status"] for request in self._requests[batch_id].values()]
        return batch | {
            "requestTotal": len(states),
            "requestQueued": states.count("IN_QUEUE"),
            "requestInProgress": states.count("IN_PROGRESS"),
            "requestCompleted": states.count("COMPLETED"),
            "requestFailed": states.count("FAILED"),
        }

    def newest_first(self) -> list[dict[str, Any]]:
        order = sorted(self._batches, key=lambda batch_id: -float(self._batches[batch_id]["createdAt"]))
        return [self.view(batch_id) for batch_id in order]

    def page(self, batch_id: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Requests in the order they were added, and where the next page begins."""
        ordered = sorted(self._requests[batch_id].values(), key=lambda request: int(request["turn"]))
        rest = [request for request in ordered if request["turn"] > after]
        more = rest[limit - 1]["turn"] if len(rest) > limit else None
        hidden = ("turn", "job")
        return [{k: v for k, v in request.items() if k not in hidden} for request in rest[:limit]], more

    def forget(self) -> None:
        """The endpoint is gone."""
        for batch_id, requests in self._requests.items():
            self._kept(f"batch/{batch_id}").delete(*requests)
        self._kept("batches").delete(*self._batches)

    def _draft(self, batch_id: str) -> dict[str, dict[str, Any]]:
        status = self._batches[batch_id]["status"]
        if status != "DRAFT":
            raise BatchRefused(f"the batch is {status}; only a DRAFT can be changed")
        return self._requests[batch_id]

    def _active(self, batch_id: str) -> bool:
        batch, requests = self._batches[batch_id], self._requests[batch_id].values()
        return batch["status"] == "DRAFT" or (
            batch["status"] == "FINALIZED" and any(request["status"] not in _OVER for request in requests)
        )

    def _save(self, batch_id: str) -> None:
        self._kept("batches").put(batch_id, self._batches[batch_id])

    def _save_request(self, batch_id: str, request: dict[str, Any]) -> None:
        self._kept(f"batch/{batch_id}").put(request["id"], request)


def inputs_of(body: Any) -> list[Any]:
    """Of `{"requests": [{"input": …}, …]}`, or of the bare list. Raises BatchRefused."""
    requests = body.get("requests", []) if isinstance(body, dict) else body
    if not isinstance(requests, list) or not all(
        isinstance(r, dict) and "input" in r for r in _all(requests)
    ):
        raise BatchRefused("requests is not a list of objects with an input")
    return [request["input"] for request in requests]


def _check_count(count: int) -> None:
    if count > REQUESTS:
        raise BatchRefused(f"a batch has at most {REQUESTS} requests, and this would make {count}")


def _all(requests: Any) -> Iterable[Any]:
    return requests if isinstance(requests, list) else ()
