"""Faults on purpose for RPCs: target "modal", path "/<RPC name>"."""

from collections.abc import Awaitable, Callable
from typing import Any

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.core.faults import REQUEST_FAULTS, FaultKind

from .errors import RpcError
from .world import World


async def strike(world: World, name: str, stream: Any, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, unless a fault is in force that befalls it. After a lost answer the effect has happened."""
    fault = world.faults.take(REQUEST_FAULTS, "POST", f"/{name}", "modal")
    if fault is None:
        await work()
        return
    if fault.kind is FaultKind.SLOW:
        await world.clock.sleep(fault.seconds)
        await work()
        return
    if fault.kind is FaultKind.RATE_LIMIT:
        policy = api_pb2.RPCRetryPolicy(retry_after_secs=fault.seconds)
        raise RpcError(Status.RESOURCE_EXHAUSTED, "Rate limit exceeded (injected)", [policy])
    if fault.kind is FaultKind.GONE:
        raise RpcError(Status.UNIMPLEMENTED, "This RPC has been retired (injected)")
    if fault.kind is FaultKind.SERVER_ERROR:
        raise RpcError(Status.UNAVAILABLE, "Internal error (injected)")
    if fault.kind in (FaultKind.DROP_AFTER, FaultKind.LOST_ANSWER):
        stream.send_message = _swallow
        await work()
    if fault.kind is FaultKind.LOST_ANSWER:
        raise RpcError(Status.UNAVAILABLE, "Internal error (injected, after the effect)")
    await stream.cancel()


async def _swallow(message: Any) -> None:
    """The answer is lost on its way."""
