"""Functions bound to parameters of a class or to other options: each a pool of its own, which follows its base."""

from modal_proto import api_pb2

from infra.localcloud.modal.calls.bound import bound_function
from infra.localcloud.modal.containers.fleet import local_fleet
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World


def rpcs(world: World) -> Rpcs:
    async def bind(
        request: api_pb2.FunctionBindParamsRequest, call: Call
    ) -> api_pb2.FunctionBindParamsResponse:
        options = request.function_options if request.HasField("function_options") else None
        record = bound_function(world, request.function_id, request.serialized_params, options)
        local_fleet(world).pool(record.function_id)
        return api_pb2.FunctionBindParamsResponse(
            bound_function_id=record.function_id, handle_metadata=record.handle
        )

    return {"FunctionBindParams": bind}
