"""The latest inputs of a function or requests of a server, one by one, and the functions that are bound to one."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import Input, InputState
from infra.localcloud.modal.calls.bound import options_of
from infra.localcloud.modal.containers.fleet import local_fleet
from infra.localcloud.modal.containers.tally import EndedInput
from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .window import seconds, stamp, variants_of

Result = api_pb2.GenericResult
STATUSES = {
    Result.GENERIC_STATUS_SUCCESS: api_pb2.FUNCTION_CALL_INPUT_STATUS_SUCCESS,
    Result.GENERIC_STATUS_TIMEOUT: api_pb2.FUNCTION_CALL_INPUT_STATUS_TIMEOUT,
    Result.GENERIC_STATUS_TERMINATED: api_pb2.FUNCTION_CALL_INPUT_STATUS_TERMINATED,
    Result.GENERIC_STATUS_INIT_FAILURE: api_pb2.FUNCTION_CALL_INPUT_STATUS_INIT_FAILURE,
    Result.GENERIC_STATUS_INTERNAL_FAILURE: api_pb2.FUNCTION_CALL_INPUT_STATUS_INTERNAL_FAILURE,
}
PAGE = 100


def rpcs(world: World) -> Rpcs:
    async def fetch(
        request: api_pb2.FunctionCallFetchRequest, call: Call
    ) -> api_pb2.FunctionCallFetchResponse:
        """The newest first, or those of a time, oldest first."""
        found = sorted(_inputs(world, request), key=lambda info: seconds(info.enqueued_at))
        if request.HasField("range"):
            since, until = seconds(request.range.since), seconds(request.range.until)
            found = [info for info in found if since <= seconds(info.enqueued_at) < until]
            return api_pb2.FunctionCallFetchResponse(
                function_call_inputs=found[: request.range.limit or None]
            )
        latest = found[::-1][: request.tail.count or None]
        return api_pb2.FunctionCallFetchResponse(function_call_inputs=latest)

    async def count(
        request: api_pb2.FunctionCallCountRequest, call: Call
    ) -> api_pb2.FunctionCallCountResponse:
        answer = api_pb2.FunctionCallCountResponse()
        for start, number in _buckets(
            [seconds(info.enqueued_at) for info in _inputs(world, request)], request
        ):
            answer.buckets.add(bucket_start_at=stamp(start), count=number)
        return answer

    async def variants(
        request: api_pb2.FunctionListVariantsRequest, call: Call
    ) -> api_pb2.FunctionListVariantsResponse:
        """Those with most containers first."""
        base = world.function(request.function_id)
        bound = [item for item in variants_of(world, base.function_id) if item != base.function_id]
        bound.sort(key=lambda item: (-world.fleet.stats(item).tasks, item))
        start = bound.index(request.cursor.function_id) + 1 if request.cursor.function_id in bound else 0
        page = bound[start : start + (request.limit or PAGE)]
        answer = api_pb2.FunctionListVariantsResponse(ordered_by_task_count=True)
        for function_id in page:
            answer.infos.add(
                function_id=function_id,
                serialized_params=world.functions[function_id].serialized_params,
                function_options=options_of(world, function_id),
            )
        if page and bound[-1] != page[-1]:
            answer.next_cursor.function_id = page[-1]
        return answer

    async def requests(
        request: api_pb2.ServerRequestFetchRequest, call: Call
    ) -> api_pb2.ServerRequestFetchResponse:
        """Of a server: the newest first, or those of a time, oldest first."""
        ids = [world.function(request.function_id).function_id]
        found = sorted(
            local_fleet(world).tally.requests_of(ids, 0.0, math.inf), key=lambda item: item.started_at
        )
        if request.HasField("range"):
            since, until = seconds(request.range.since), seconds(request.range.until)
            found = [item for item in found if since <= item.started_at < until][
                : request.range.limit or None
            ]
        else:
            found = found[::-1][: request.tail.count or None]
        answer = api_pb2.ServerRequestFetchResponse()
        for item in found:
            answer.requests.add(
                route=item.route,
                timestamp=stamp(item.started_at),
                container_id=item.task_id,
                duration_seconds=item.ended_at - item.started_at,
                status=item.status,
            )
        return answer

    async def count_requests(
        request: api_pb2.ServerCountRequestsRequest, call: Call
    ) -> api_pb2.ServerCountRequestsResponse:
        ids = [world.function(request.function_id).function_id]
        found = local_fleet(world).tally.requests_of(ids, 0.0, math.inf)
        answer = api_pb2.ServerCountRequestsResponse()
        for start, number in _buckets([item.started_at for item in found], request):
            answer.buckets.add(bucket_start_at=stamp(start), count=number)
        return answer

    return {
        "FunctionCallFetch": fetch,
        "FunctionCallCount": count,
        "FunctionListVariants": variants,
        "ServerRequestFetch": requests,
        "ServerCountRequests": count_requests,
    }


def _buckets(times: Iterable[float], request: Any) -> list[tuple[int, int]]:
    """How many of the times asked for lie in each bucket that has any, by its start."""
    width = request.bucket_secs
    if width < 1:
        raise invalid("Counted is in buckets of some seconds: bucket_secs is missing")
    since, until = seconds(request.since), seconds(request.until)
    return sorted(Counter(math.floor(at / width) * width for at in times if since <= at < until).items())


def _inputs(world: World, request: Any) -> Iterator[api_pb2.FunctionCallInputInfo]:
    function_id = world.function(request.function_id).function_id
    ids = variants_of(world, function_id) if request.all_variants else [function_id]
    fleet = local_fleet(world)
    for ended in fleet.tally.inputs_of(ids, 0.0, math.inf):
        yield _ended(ended)
    for item in fleet.book.unfinished():
        if item.call.function_id in ids:
            yield _going_on(item)


def _ended(item: EndedInput) -> api_pb2.FunctionCallInputInfo:
    return api_pb2.FunctionCallInputInfo(
        enqueued_at=stamp(item.enqueued_at),
        started_at=stamp(item.started_at) if item.started_at else None,
        container_id=item.task_id or None,
        execution_time_seconds=item.ended_at - item.started_at if item.started_at else None,
        status=STATUSES.get(item.status, api_pb2.FUNCTION_CALL_INPUT_STATUS_FAILURE),  # type: ignore[call-overload]
        function_call_id=item.call_id,
        service_method_name=item.method or None,
    )


def _going_on(item: Input) -> api_pb2.FunctionCallInputInfo:
    running = item.state is InputState.RUNNING
    return api_pb2.FunctionCallInputInfo(
        enqueued_at=stamp(item.queued_at),
        started_at=stamp(item.started_at) if running else None,
        container_id=item.task_id or None,
        status=api_pb2.FUNCTION_CALL_INPUT_STATUS_RUNNING
        if running
        else api_pb2.FUNCTION_CALL_INPUT_STATUS_PENDING,
        function_call_id=item.call.id,
        service_method_name=item.method or None,
    )
