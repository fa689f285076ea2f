"""Calls come in: started, filled with inputs, tried again, cancelled."""

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import FunctionCall, Input
from infra.localcloud.modal.calls.tokens import call_token, input_token, read_input
from infra.localcloud.modal.containers.fleet import LocalFleet, local_fleet
from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import World

MAX_INPUTS_OUTSTANDING = 1000


def rpcs(world: World) -> Rpcs:
    async def function_map(request: api_pb2.FunctionMapRequest, call: Call) -> api_pb2.FunctionMapResponse:
        fleet = local_fleet(world)
        sync = request.function_call_invocation_type not in (
            api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC,
            api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC_LEGACY,
        )
        started = start_call(
            fleet,
            request.function_id,
            sync=sync,
            many=request.function_call_type == api_pb2.FUNCTION_CALL_TYPE_MAP,
            parent_input_id=request.parent_input_id,
        )
        items = put_inputs(fleet, started, list(request.pipelined_inputs))
        return api_pb2.FunctionMapResponse(
            function_call_id=started.id,
            pipelined_inputs=[_put(item) for item in items],
            retry_policy=started.policy,
            function_call_jwt=call_token(started),
            sync_client_retries_enabled=True,
            max_inputs_outstanding=MAX_INPUTS_OUTSTANDING,
        )

    async def put(request: api_pb2.FunctionPutInputsRequest, call: Call) -> api_pb2.FunctionPutInputsResponse:
        fleet = local_fleet(world)
        started = known_call(fleet, request.function_call_id)
        items = put_inputs(fleet, started, list(request.inputs))
        return api_pb2.FunctionPutInputsResponse(inputs=[_put(item) for item in items])

    async def finish_inputs(request: api_pb2.FunctionFinishInputsRequest, call: Call) -> Empty:
        known_call(local_fleet(world), request.function_call_id)
        return Empty()

    async def retry(
        request: api_pb2.FunctionRetryInputsRequest, call: Call
    ) -> api_pb2.FunctionRetryInputsResponse:
        fleet = local_fleet(world)
        tokens = []
        for wish in request.inputs:
            item = read_input(fleet.book, wish.input_jwt)
            fleet.pool(item.call.function_id).retry(item, wish.input, wish.retry_count)
            tokens.append(input_token(item))
        return api_pb2.FunctionRetryInputsResponse(input_jwts=tokens)

    async def cancel(request: api_pb2.FunctionCallCancelRequest, call: Call) -> Empty:
        fleet = local_fleet(world)
        started = known_call(fleet, request.function_call_id)
        fleet.pool(started.function_id).cancel(started, request.terminate_containers)
        return Empty()

    async def from_id(
        request: api_pb2.FunctionCallFromIdRequest, call: Call
    ) -> api_pb2.FunctionCallFromIdResponse:
        started = known_call(local_fleet(world), request.function_call_id)
        function = world.function(started.function_id)
        return api_pb2.FunctionCallFromIdResponse(
            function_call_id=started.id,
            num_inputs=len(started.inputs),
            metadata=api_pb2.FunctionCallHandleMetadata(
                app_id=function.app_id, function_id=function.base_id or function.function_id
            ),
        )

    return {
        "FunctionMap": function_map,
        "FunctionPutInputs": put,
        "FunctionFinishInputs": finish_inputs,
        "FunctionRetryInputs": retry,
        "FunctionCallCancel": cancel,
        "FunctionCallFromId": from_id,
    }


def start_call(
    fleet: LocalFleet,
    function_id: str,
    *,
    sync: bool,
    many: bool = False,
    parent_input_id: str = "",
    transient: bool = False,
) -> FunctionCall:
    """RpcError NOT_FOUND for an unknown function, FAILED_PRECONDITION for one that takes no calls."""
    record = fleet.world.function(function_id)
    if record.stopped:
        raise RpcError(
            Status.FAILED_PRECONDITION, f"Function '{record.name}' is stopped: deploy its app again"
        )
    if not record.version:
        raise RpcError(Status.FAILED_PRECONDITION, f"Function '{record.name}' is not published yet")
    return fleet.book.open(
        FunctionCall(
            id=fleet.world.new_id("fc"),
            function_id=function_id,
            sync=sync,
            policy=record.function.retry_policy,
            created_at=fleet.world.clock.now(),
            parent_input_id=parent_input_id,
            many=many,
            transient=transient,
        )
    )


def put_inputs(
    fleet: LocalFleet, call: FunctionCall, items: list[api_pb2.FunctionPutInputsItem]
) -> list[Input]:
    now, before = fleet.world.clock.now(), set(call.inputs)
    inputs = [fleet.book.add(call, fleet.world.new_id("in"), item.idx, item.input, now) for item in items]
    fleet.pool(call.function_id).submit([item for item in inputs if item.idx not in before])
    return inputs


def known_call(fleet: LocalFleet, call_id: str) -> FunctionCall:
    found = fleet.book.calls.get(call_id)
    if found is None:
        raise not_found(f"Function call '{call_id}' not found: it never was, or its results have expired")
    return found


def _put(item: Input) -> api_pb2.FunctionPutInputsResponseItem:
    return api_pb2.FunctionPutInputsResponseItem(idx=item.idx, input_id=item.id, input_jwt=input_token(item))
