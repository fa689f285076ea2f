"""What has ended lately, for the figures that users ask for. In memory only: a restart of the local cloud forgets it."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from infra.localcloud.modal.calls.book import Input
from infra.localcloud.modal.containers.container import Container

KEPT_INPUTS, KEPT_CONTAINERS, KEPT_REQUESTS = 20_000, 2_000, 20_000


@dataclass(frozen=True)
class EndedInput:
    """`function_id` is the bound one, if it is bound. `status` is that of an `api_pb2.GenericResult`."""

    function_id: str
    call_id: str
    method: str
    enqueued_at: float
    started_at: float
    ended_at: float
    task_id: str
    status: int


@dataclass(frozen=True)
class EndedContainer:
    """`ready_at` 0: it never was. `failed`: it could not start, or ended by itself."""

    function_id: str
    task_id: str
    created_at: float
    ready_at: float
    stopped_at: float
    failed: bool


@dataclass(frozen=True)
class EndedRequest:
    """Of a server (`@app.server`)."""

    function_id: str
    task_id: str
    started_at: float
    ended_at: float
    status: int
    route: str = ""


class Tally:
    def __init__(self) -> None:
        self.inputs: deque[EndedInput] = deque(maxlen=KEPT_INPUTS)
        self.containers: deque[EndedContainer] = deque(maxlen=KEPT_CONTAINERS)
        self.requests: deque[EndedRequest] = deque(maxlen=KEPT_REQUESTS)

    def input(self, item: Input) -> None:
        assert item.output is not None
        self.inputs.append(
            EndedInput(
                function_id=item.call.function_id,
                call_id=item.call.id,
                method=item.method,
                enqueued_at=item.queued_at,
                started_at=item.started_at,
                ended_at=item.output.created_at,
                task_id=item.output.task_id,
                status=item.output.result.status,
            )
        )

    def container(self, container: Container) -> None:
        failed = container.failure is not None or (bool(container.reason) and not container.stopped_by_us)
        self.containers.append(
            EndedContainer(
                function_id=container.record.function_id,
                task_id=container.id,
                created_at=container.created_at,
                ready_at=container.ready_at,
                stopped_at=container.stopped_at,
                failed=failed,
            )
        )

    def request(self, container: Container, route: str, began: float, status: int, now: float) -> None:
        self.requests.append(
            EndedRequest(container.record.function_id, container.id, began, now, status, route)
        )

    def inputs_of(
        self, function_ids: Collection[str], since: float, until: float, task_id: str = ""
    ) -> list[EndedInput]:
        return [
            item
            for item in self.inputs
            if item.function_id in function_ids
            and since <= item.ended_at <= until
            and task_id in ("", item.task_id)
        ]

    def containers_of(
        self, function_ids: Collection[str], since: float, until: float, task_id: str = ""
    ) -> list[EndedContainer]:
        """Those that ended in this time or after it, and had been made before its end."""
        return [
            item
            for item in self.containers
            if item.function_id in function_ids
            and item.stopped_at >= since
            and item.created_at <= until
            and task_id in ("", item.task_id)
        ]

    def requests_of(
        self, function_ids: Collection[str], since: float, until: float, task_id: str = ""
    ) -> list[EndedRequest]:
        return [
            item
            for item in self.requests
            if item.function_id in function_ids
            and since <= item.ended_at <= until
            and task_id in ("", item.task_id)
        ]
