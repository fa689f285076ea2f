"""Results go out: outputs as they come, and the streams of generators and web requests."""

from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import DataStream, FunctionCall, Input
from infra.localcloud.modal.calls.submit import known_call
from infra.localcloud.modal.containers.fleet import LocalFleet, local_fleet
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

# A client gives up on a stream that is silent too long no sooner than this, and asks again.
STREAM_S = 50.0


def rpcs(world: World) -> Rpcs:
    async def get_outputs(
        request: api_pb2.FunctionGetOutputsRequest, call: Call
    ) -> api_pb2.FunctionGetOutputsResponse:
        fleet = local_fleet(world)
        wanted = known_call(fleet, request.function_call_id)
        found = await _wait(fleet, wanted, request)
        outputs = [_output(item) for item in found]
        if request.clear_on_success and (outputs or not request.timeout):
            fleet.cleared(wanted)
        last = max((item.output.seq for item in found if item.output), default=_cursor(request.last_entry_id))
        return api_pb2.FunctionGetOutputsResponse(
            idxs=[output.idx for output in outputs],
            outputs=outputs,
            last_entry_id=f"{last}-0",
            num_unfinished_inputs=wanted.unfinished(),
        )

    async def put_data_out(request: api_pb2.FunctionCallPutDataRequest, call: Call) -> Empty:
        fleet = local_fleet(world)
        wanted = known_call(fleet, request.function_call_id or request.attempt_token)
        for chunk in request.data_chunks:
            wanted.data_out.put(chunk)
        fleet.changed.wake(wanted.id)
        return Empty()

    async def put_data_in(request: api_pb2.FunctionCallPutDataRequest, call: Call) -> Empty:
        fleet = local_fleet(world)
        wanted = known_call(fleet, request.function_call_id or request.attempt_token)
        for chunk in request.data_chunks:
            wanted.data_in.put(chunk)
        fleet.changed.wake(wanted.id)
        return Empty()

    async def get_data_out(
        request: api_pb2.FunctionCallGetDataRequest, call: Call
    ) -> AsyncIterator[api_pb2.DataChunk]:
        fleet = local_fleet(world)
        wanted = known_call(fleet, request.function_call_id or request.attempt_token)
        async for chunk in follow(fleet, wanted, wanted.data_out, request.last_index):
            yield chunk

    async def get_data_in(
        request: api_pb2.FunctionCallGetDataRequest, call: Call
    ) -> AsyncIterator[api_pb2.DataChunk]:
        fleet = local_fleet(world)
        wanted = known_call(fleet, request.function_call_id or request.attempt_token)
        async for chunk in follow(fleet, wanted, wanted.data_in, request.last_index):
            yield chunk

    return {
        "FunctionGetOutputs": get_outputs,
        "FunctionCallPutDataOut": put_data_out,
        "FunctionCallPutDataIn": put_data_in,
        "FunctionCallGetDataOut": get_data_out,
        "FunctionCallGetDataIn": get_data_in,
    }


async def follow(
    fleet: LocalFleet, call: FunctionCall, stream: DataStream, after: int
) -> AsyncIterator[api_pb2.DataChunk]:
    """Chunks as they come. Ends after a long silence: the reader asks again, from where it is."""
    while True:
        chunks = stream.after(after)
        for chunk in chunks:
            after = chunk.index
            yield chunk
        if not chunks:
            end = fleet.world.clock.monotonic() + STREAM_S
            await fleet.changed.wait(call.id, STREAM_S)
            if fleet.world.clock.monotonic() >= end and not stream.after(after):
                return


async def _wait(
    fleet: LocalFleet, call: FunctionCall, request: api_pb2.FunctionGetOutputsRequest
) -> list[Input]:
    """The outputs that fit, at once or when they come; none after the time that the client gave. An empty answer
    before that would only make it ask again."""
    clock = fleet.world.clock
    end = clock.monotonic() + request.timeout
    after = _cursor(request.last_entry_id)
    start = request.start_idx if request.HasField("start_idx") else None
    stop = request.end_idx if request.HasField("end_idx") else None
    while True:
        found = call.outputs(after, start, stop)
        if request.max_values > 0:
            found = found[: request.max_values]
        left = end - clock.monotonic()
        if found or left <= 0:
            return found
        await fleet.changed.wait(call.id, left)


def _cursor(last_entry_id: str) -> int:
    number = last_entry_id.partition("-")[0]
    return int(number) if number.isdigit() else 0


def _output(item: Input) -> api_pb2.FunctionGetOutputsItem:
    output = item.output
    assert output is not None
    return api_pb2.FunctionGetOutputsItem(
        result=output.result,
        idx=item.idx,
        input_id=item.id,
        data_format=output.data_format,  # type: ignore[arg-type]
        task_id=output.task_id,
        input_started_at=output.started_at,
        output_created_at=output.created_at,
        retry_count=output.retry_count,
    )
