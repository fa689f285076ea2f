"""What containers ask of the cloud: inputs, whether to stop one, how many at a time; and what they report."""

import asyncio

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import Input
from infra.localcloud.modal.containers.container import Container, Poll
from infra.localcloud.modal.containers.fleet import local_fleet
from infra.localcloud.modal.containers.pool import Pool
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import World

POLL_S = 55.0
HEARTBEAT_S = 14.0  # the client waits for 15.1 s


def rpcs(world: World) -> Rpcs:
    def caller(call: Call) -> tuple[Pool, Container]:
        try:
            return local_fleet(world).container(call.task_id)
        except KeyError:
            raise RpcError(Status.FAILED_PRECONDITION, f"{call.method} is for containers that run") from None

    async def hello(request: Empty, call: Call) -> Empty:
        """The interpreter and the client are loaded; from here on it is the user's code that takes time."""
        _, container = caller(call)
        local_fleet(world).platform.turns.done(container)
        return Empty()

    async def heartbeat(
        request: api_pb2.ContainerHeartbeatRequest, call: Call
    ) -> api_pb2.ContainerHeartbeatResponse:
        _, container = caller(call)
        if not container.to_cancel:
            container.heartbeat = asyncio.get_running_loop().create_future()
            timer = local_fleet(world).timers.after(HEARTBEAT_S, lambda: _release(container))
            try:
                await container.heartbeat
            finally:
                timer.cancel()
        told, container.to_cancel = container.to_cancel, []
        if not told:
            return api_pb2.ContainerHeartbeatResponse()
        event = api_pb2.CancelInputEvent(input_ids=told)
        return api_pb2.ContainerHeartbeatResponse(cancel_input_event=event)

    async def get_inputs(
        request: api_pb2.FunctionGetInputsRequest, call: Call
    ) -> api_pb2.FunctionGetInputsResponse:
        pool, container = caller(call)
        if again := container.handed_before(call.idempotency_key):
            return api_pb2.FunctionGetInputsResponse(inputs=[_item(item) for item in again])
        answer: asyncio.Future[list[Input] | None] = asyncio.get_running_loop().create_future()
        expiry = local_fleet(world).timers.after(POLL_S, lambda: container.answer([]))
        pool.poll(container, Poll(request.batch_max_size, request.batch_linger_ms / 1000, answer, expiry))
        try:
            inputs = await answer
        except asyncio.CancelledError:
            if container.poll is not None and container.poll.answer is answer:
                container.poll = None
            if answer.done() and not answer.cancelled():
                pool.undelivered(container, answer.result() or [])
            raise
        if inputs is None:
            kill = api_pb2.FunctionGetInputsItem(kill_switch=True)
            return api_pb2.FunctionGetInputsResponse(inputs=[kill])
        container.handed = (call.idempotency_key, inputs)
        return api_pb2.FunctionGetInputsResponse(inputs=[_item(item) for item in inputs])

    async def put_outputs(request: api_pb2.FunctionPutOutputsRequest, call: Call) -> Empty:
        pool, container = caller(call)
        for output in request.outputs:
            item = local_fleet(world).book.inputs.get(output.input_id)
            if item is not None:
                pool.put_output(container, item, output)
        return Empty()

    async def concurrency(
        request: api_pb2.FunctionGetDynamicConcurrencyRequest, call: Call
    ) -> api_pb2.FunctionGetDynamicConcurrencyResponse:
        pool, _ = caller(call)
        chosen = request.max_concurrency if pool.crew.crowded else request.target_concurrency
        return api_pb2.FunctionGetDynamicConcurrencyResponse(concurrency=chosen)

    async def task_result(request: api_pb2.TaskResultRequest, call: Call) -> Empty:
        pool, container = caller(call)
        if request.result.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
            pool.crew.failed(container, request.result)
        return Empty()

    async def server_ready(request: api_pb2.ContainerServerLifecycleReadyRequest, call: Call) -> Empty:
        pool, container = caller(call)
        pool.crew.await_port(container)
        return Empty()

    return {
        "ContainerHello": hello,
        "ContainerServerLifecycleReady": server_ready,
        "ContainerHeartbeat": heartbeat,
        "FunctionGetInputs": get_inputs,
        "FunctionPutOutputs": put_outputs,
        "FunctionGetDynamicConcurrency": concurrency,
        "TaskResult": task_result,
    }


def _release(container: Container) -> None:
    if container.heartbeat is not None and not container.heartbeat.done():
        container.heartbeat.set_result(None)


def _item(item: Input) -> api_pb2.FunctionGetInputsItem:
    call = item.call
    kind = (
        api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC
        if call.sync
        else api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC
    )
    return api_pb2.FunctionGetInputsItem(
        input_id=item.id,
        input=item.payload,
        function_call_id=call.id,
        function_call_invocation_type=kind,
        retry_count=item.retry_count,
        function_map_idx=item.idx,
    )
