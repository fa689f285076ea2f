"""Figures of apps, functions and servers over a time: what their inputs, requests and containers came to."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from modal_proto import api_pb2

from infra.localcloud.modal.apps.layout import lifecycle
from infra.localcloud.modal.containers.container import Phase
from infra.localcloud.modal.containers.fleet import LocalFleet, local_fleet
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .window import Window, distribution, running_inputs, stamp, variants_of, window_of

Result = api_pb2.GenericResult
SUCCESS, TIMEOUT = Result.GENERIC_STATUS_SUCCESS, Result.GENERIC_STATUS_TIMEOUT


def rpcs(world: World) -> Rpcs:
    async def of_function(
        request: api_pb2.FunctionGetTimeRangeStatsRequest, call: Call
    ) -> api_pb2.FunctionGetTimeRangeStatsResponse:
        record = world.function(request.function_id)
        fleet, window = local_fleet(world), window_of(world, request)
        variants = variants_of(world, record.function_id)
        ids = variants if request.rollup else [record.function_id]
        ended = fleet.tally.inputs_of(ids, window.since, window.until, request.container_id)
        statuses = Counter(item.status for item in ended)
        crew = _crew(fleet, ids, window, request.container_id)
        began = [item for item in ended if item.started_at]
        return api_pb2.FunctionGetTimeRangeStatsResponse(
            since=stamp(window.since),
            until=stamp(window.until),
            input_success_count=statuses[SUCCESS],
            input_timeout_count=statuses[TIMEOUT],
            input_failure_count=len(ended) - statuses[SUCCESS] - statuses[TIMEOUT],
            input_running_at_end_count=len(running_inputs(fleet, ids, request.container_id)),
            input_percentile_stats={
                "Execution time (s)": distribution(item.ended_at - item.started_at for item in began),
                "End-to-end latency (s)": distribution(item.ended_at - item.enqueued_at for item in began),
            },
            container_started_count=crew.started,
            container_error_count=crew.failed,
            container_creating_at_end_count=crew.creating,
            container_total_count=crew.total,
            container_percentile_stats={"Startup time (s)": distribution(crew.startups)},
            variant_count=len(variants) - 1,
        )

    async def of_server(
        request: api_pb2.ServerGetTimeRangeStatsRequest, call: Call
    ) -> api_pb2.ServerGetTimeRangeStatsResponse:
        ids = [world.function(request.function_id).function_id]
        fleet, window = local_fleet(world), window_of(world, request)
        answered = fleet.tally.requests_of(ids, window.since, window.until, request.container_id)
        crew = _crew(fleet, ids, window, request.container_id)
        answer = api_pb2.ServerGetTimeRangeStatsResponse(
            since=stamp(window.since),
            until=stamp(window.until),
            request_count=len(answered),
            request_rate_per_second=len(answered) / (window.until - window.since),
            request_percentile_stats={
                "Latency (s)": distribution(item.ended_at - item.started_at for item in answered)
            },
            container_started_count=crew.started,
            container_error_count=crew.failed,
            container_creating_at_end_count=crew.creating,
            container_total_count=crew.total,
            container_percentile_stats={"Startup time (s)": distribution(crew.startups)},
        )
        # The CLI shows families, the last of each that it is sent.
        for code, count in sorted(Counter(item.status // 100 * 100 for item in answered).items()):
            answer.request_count_by_status_code.add(status_code=code, count=count)
        return answer

    async def of_app(
        request: api_pb2.AppGetTimeRangeStatsRequest, call: Call
    ) -> api_pb2.AppGetTimeRangeStatsResponse:
        app, fleet, window = world.app(request.app_id), local_fleet(world), window_of(world, request)
        answer = api_pb2.AppGetTimeRangeStatsResponse(
            since=stamp(window.since),
            until=stamp(window.until),
            lifecycle=lifecycle(app),
            deployment_count=sum(
                record.app_id == app.app_id and window.since <= record.deployed_at <= window.until
                for record in world.deployments.values()
            ),
        )
        for tag, function_id in app.function_ids.items():
            ids = variants_of(world, function_id)
            crew = _crew(fleet, ids, window)
            containers = api_pb2.AppContainerCounts(
                container_errors=crew.failed, container_active_count=crew.total
            )
            if world.functions[function_id].function.is_server:
                server = answer.servers.by_name[tag]
                server.object_id = function_id
                server.counts.containers.CopyFrom(containers)
                for seen in fleet.tally.requests_of(ids, window.since, window.until):
                    server.counts.requests.total += 1
                    server.counts.requests.ok += seen.status < 400
                    server.counts.requests.failed += seen.status >= 400
                _add(answer.servers.total, server.counts)
            else:
                function = answer.functions.by_name[tag]
                function.object_id = function_id
                function.counts.containers.CopyFrom(containers)
                for item in fleet.tally.inputs_of(ids, window.since, window.until):
                    function.counts.calls.total += 1
                    function.counts.calls.succeeded += item.status == SUCCESS
                    function.counts.calls.failed += item.status != SUCCESS
                function.counts.calls.total += len(running_inputs(fleet, ids))
                _add(answer.functions.total, function.counts)
        return answer

    return {
        "FunctionGetTimeRangeStats": of_function,
        "ServerGetTimeRangeStats": of_server,
        "AppGetTimeRangeStats": of_app,
    }


@dataclass(frozen=True)
class _Crew:
    """The containers of a time. `creating` are those that now start."""

    total: int
    started: int
    failed: int
    creating: int
    startups: list[float]


def _crew(fleet: LocalFleet, ids: Collection[str], window: Window, task_id: str = "") -> _Crew:
    ended = fleet.tally.containers_of(ids, window.since, window.until, task_id)
    living = [
        item
        for item in fleet.living()
        if item.record.function_id in ids and item.created_at <= window.until and task_id in ("", item.id)
    ]
    times = [(item.created_at, item.ready_at) for item in ended]
    times += [(item.created_at, item.ready_at) for item in living]
    started = [(made, ready) for made, ready in times if window.since <= ready <= window.until]
    return _Crew(
        total=len(times),
        started=len(started),
        failed=sum(item.failed and window.since <= item.stopped_at <= window.until for item in ended),
        creating=sum(item.phase in (Phase.WAITING, Phase.STARTING) for item in living),
        startups=[ready - made for made, ready in started],
    )


def _add(
    total: api_pb2.AppFunctionCounts | api_pb2.AppServerCounts,
    counts: api_pb2.AppFunctionCounts | api_pb2.AppServerCounts,
) -> None:
    """Field by field: they are numbers, in messages of messages."""
    for part, message in counts.ListFields():
        for number, value in message.ListFields():
            mine = getattr(total, part.name)
            setattr(mine, number.name, getattr(mine, number.name) + value)
