"""What containers print: fetched, counted and followed."""

import math
from collections.abc import AsyncIterator, Iterable
from itertools import groupby

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.model import LogFilter, LogLine
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.waiting import within
from infra.localcloud.modal.world import World

FETCH_LIMIT = 5000


def rpcs(world: World) -> Rpcs:
    async def fetch(request: api_pb2.AppFetchLogsRequest, call: Call) -> api_pb2.AppFetchLogsResponse:
        app = world.app(request.app_id)
        wanted = _filter(request, request.source, _time(request, "since"), _time(request, "until"))
        lines = world.fleet.logs(app.app_id, wanted, min(request.limit or FETCH_LIMIT, FETCH_LIMIT))
        return api_pb2.AppFetchLogsResponse(batches=_batches(lines))

    async def count(request: api_pb2.AppCountLogsRequest, call: Call) -> api_pb2.AppCountLogsResponse:
        app = world.app(request.app_id)
        if not request.bucket_secs:
            raise invalid("Logs are counted in buckets of some seconds: bucket_secs is missing")
        wanted = _filter(request, request.source, _time(request, "since"), _time(request, "until"))
        buckets: dict[int, api_pb2.AppCountLogsResponse.LogBucket] = {}
        for line in world.fleet.logs(app.app_id, wanted):
            start = math.floor(line.ts / request.bucket_secs) * request.bucket_secs
            bucket = buckets.setdefault(
                start, api_pb2.AppCountLogsResponse.LogBucket(bucket_start_at=Timestamp(seconds=start))
            )
            bucket.stdout_logs += line.source == api_pb2.FILE_DESCRIPTOR_STDOUT
            bucket.stderr_logs += line.source == api_pb2.FILE_DESCRIPTOR_STDERR
            bucket.system_logs += line.source == api_pb2.FILE_DESCRIPTOR_INFO
        return api_pb2.AppCountLogsResponse(
            app_id=app.app_id, buckets=[buckets[start] for start in sorted(buckets)]
        )

    async def follow(request: api_pb2.AppGetLogsRequest, call: Call) -> AsyncIterator[api_pb2.TaskLogsBatch]:
        """Until the time is up, or the app has ended and all is said."""
        app = world.app(request.app_id)
        wanted = _filter(request, request.file_descriptor, None, None)
        seen = int(request.last_entry_id) if request.last_entry_id.isdigit() else 0
        deadline = world.clock.monotonic() + request.timeout
        while True:
            for batch in _batches(world.fleet.logs(app.app_id, wanted, after=seen)):
                seen = int(batch.entry_id)
                yield batch
            if not app.running and not world.fleet.tasks(app.app_id):
                yield api_pb2.TaskLogsBatch(app_done=True)
                return
            left = deadline - world.clock.monotonic()
            if left <= 0 or not await within(world.clock, left, world.fleet.logs_changed(app.app_id, seen)):
                return

    return {"AppFetchLogs": fetch, "AppCountLogs": count, "AppGetLogs": follow}


def _filter(
    request: api_pb2.AppFetchLogsRequest | api_pb2.AppCountLogsRequest | api_pb2.AppGetLogsRequest,
    source: int,
    since: float | None,
    until: float | None,
) -> LogFilter:
    return LogFilter(
        since=since,
        until=until,
        task_id=request.task_id,
        function_id=request.parametrized_function_id or request.function_id,
        function_call_id=request.function_call_id,
        source=source,
        search=request.search_text,
    )


def _time(request: api_pb2.AppFetchLogsRequest | api_pb2.AppCountLogsRequest, name: str) -> float | None:
    if not request.HasField(name):  # type: ignore[arg-type]
        return None
    value: Timestamp = getattr(request, name)
    return value.seconds + value.nanos / 1e9


def _batches(lines: Iterable[LogLine]) -> list[api_pb2.TaskLogsBatch]:
    """One for each stretch of lines of one container. The entry id is the last line's number."""
    batches = []
    for (task_id, function_id), stretch in groupby(lines, lambda line: (line.task_id, line.function_id)):
        batch = api_pb2.TaskLogsBatch(task_id=task_id, function_id=function_id)
        for line in stretch:
            batch.items.add(
                data=line.text,
                timestamp=line.ts,
                timestamp_ns=int(line.ts * 1e9),
                file_descriptor=line.source,
                function_call_id=line.function_call_id,
                input_id=line.input_id,
            )
            batch.entry_id = str(line.seq)
        batches.append(batch)
    return batches
