"""How many containers a function has: what its definition says, what was changed since, and how it goes now."""

from modal_proto import api_pb2

from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .checks import check_autoscaler

# modal.com/docs/guide/scale and client 1.6.4, November 2026.
DEFAULTS = api_pb2.AutoscalerSettings(min_containers=0, buffer_containers=0, scaledown_window=60)


def rpcs(world: World) -> Rpcs:
    async def update(
        request: api_pb2.FunctionUpdateSchedulingParamsRequest, call: Call
    ) -> api_pb2.FunctionUpdateSchedulingParamsResponse:
        """Fields that are not sent stay as they are; max_containers=0 takes the limit away."""
        record = world.function(request.function_id)
        changed = api_pb2.AutoscalerSettings()
        changed.CopyFrom(record.override)
        changed.MergeFrom(request.settings)
        if not request.HasField("settings"):
            changed.min_containers = request.warm_pool_size_override
        settings = _merged(static(record), changed)
        check_autoscaler(record.name, settings)
        record.override, record.settings = changed, settings
        world.functions.put(record)
        world.fleet.apply(record.function_id)
        return api_pb2.FunctionUpdateSchedulingParamsResponse(current_settings=settings)

    async def get(
        request: api_pb2.FunctionGetSchedulingParamsRequest, call: Call
    ) -> api_pb2.FunctionGetSchedulingParamsResponse:
        record = world.function(request.function_id)
        configuration = api_pb2.AutoscalerConfiguration(
            settings=effective(record),
            default_settings=DEFAULTS,
            static_settings=static(record),
            override_settings=record.override,
        )
        return api_pb2.FunctionGetSchedulingParamsResponse(autoscaler_configuration=configuration)

    async def stats(request: api_pb2.FunctionGetCurrentStatsRequest, call: Call) -> api_pb2.FunctionStats:
        found = world.fleet.stats(world.function(request.function_id).function_id)
        return api_pb2.FunctionStats(
            backlog=found.backlog,
            num_total_tasks=found.tasks,
            num_running_inputs=found.running_inputs,
            input_headroom=found.headroom,
        )

    return {
        "FunctionUpdateSchedulingParams": update,
        "FunctionGetSchedulingParams": get,
        "FunctionGetCurrentStats": stats,
    }


def static(record: FunctionRecord) -> api_pb2.AutoscalerSettings:
    """As the definition says; clients before 1.0 say it in fields of other names."""
    data, settings = record.data, api_pb2.AutoscalerSettings()
    if data.HasField("autoscaler_settings"):
        settings.CopyFrom(data.autoscaler_settings)
        return settings
    if data.warm_pool_size:
        settings.min_containers = data.warm_pool_size
    if data.concurrency_limit:
        settings.max_containers = data.concurrency_limit
    if data.task_idle_timeout_secs:
        settings.scaledown_window = data.task_idle_timeout_secs
    return settings


def effective(record: FunctionRecord) -> api_pb2.AutoscalerSettings:
    return _merged(static(record), record.override)


def _merged(*layers: api_pb2.AutoscalerSettings) -> api_pb2.AutoscalerSettings:
    settings = api_pb2.AutoscalerSettings()
    settings.CopyFrom(DEFAULTS)
    for layer in layers:
        settings.MergeFrom(layer)
    if settings.max_containers == 0:
        settings.ClearField("max_containers")
    return settings
