"""One web request as a call: its messages go in over one data stream of the call and come out over the other."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import FunctionCall, Input
from infra.localcloud.modal.calls.bound import bound_function
from infra.localcloud.modal.calls.submit import put_inputs, start_call
from infra.localcloud.modal.containers.fleet import LocalFleet
from infra.localcloud.modal.errors import RpcError
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.web import messages, parameters

ASGI, PICKLE = api_pb2.DATA_FORMAT_ASGI, api_pb2.DATA_FORMAT_PICKLE
LOOK_S = 1.0  # between two looks whether the client is still there
HANG_UP_S = 5.0  # for the app to notice that its client is gone, before its input is cancelled


class Exchange:
    """`messages` are what the app sends. `close` once the client has what it wanted, or is gone."""

    def __init__(self, fleet: LocalFleet, request: web.Request, call: FunctionCall) -> None:
        self._fleet, self._request = fleet, request
        self.call = call

    @classmethod
    def start(
        cls, fleet: LocalFleet, request: web.Request, record: FunctionRecord, method: str, place: "Place"
    ) -> "Exchange":
        """Raises an HTTP error for a function that takes no calls."""
        params = parameters.from_query(record, request.query) if method else None
        try:
            if params is not None:
                record = bound_function(fleet.world, record.function_id, params)
            call = start_call(fleet, record.function_id, sync=True, transient=True)
        except RpcError as error:
            raise web.HTTPNotFound(text=f"modal-http: {error.message}\n") from None
        exchange = cls(fleet, request, call)
        item = api_pb2.FunctionInput(
            args=pickle.dumps(((_scope(request, place),), {})), data_format=PICKLE, method_name=method
        )
        put_inputs(fleet, call, [api_pb2.FunctionPutInputsItem(idx=0, input=item)])
        return exchange

    def send(self, message: bytes) -> None:
        self.call.data_in.append(message, ASGI)
        self._fleet.changed.wake(self.call.id)

    async def messages(self, until: float | None = None) -> AsyncIterator[tuple[str, Any]]:
        """Ends with the call, when the client is gone, or at that time (monotonic)."""
        after, clock = 0, self._fleet.world.clock
        while True:
            chunks = self.call.data_out.after(after)
            for chunk in chunks:
                after = chunk.index
                yield messages.read(await self._content(chunk))
            if chunks:
                continue
            if self.call.done or self.gone or (until is not None and clock.monotonic() >= until):
                return
            left = LOOK_S if until is None else min(LOOK_S, max(0.001, until - clock.monotonic()))
            await self._fleet.changed.wait(self.call.id, left)

    @property
    def gone(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()

    @property
    def failure(self) -> api_pb2.GenericResult | None:
        """How the call failed, if it did."""
        output = self._input.output
        ended_well = output is None or output.result.status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
        return None if ended_well or output is None else output.result

    def close(self, goodbye: bytes | None = None) -> None:
        """With a last message for an app that goes on without its client."""
        fleet, call = self._fleet, self.call
        if call.done or goodbye is None:
            fleet.cleared(call)
            return
        self.send(goodbye)
        pool = fleet.pool(call.function_id)
        fleet.timers.after(HANG_UP_S, lambda: None if call.done else pool.cancel(call, False))

    @property
    def _input(self) -> Input:
        return self.call.inputs[0]

    async def _content(self, chunk: api_pb2.DataChunk) -> bytes:
        if not chunk.data_blob_id:
            return chunk.data
        return await asyncio.to_thread(self._fleet.world.blobs.path(chunk.data_blob_id).read_bytes)


class Place:
    """Where in the app a request goes: the address is split into what names the app, and the rest."""

    def __init__(self, root: str, raw_path: str) -> None:
        self.root, self.raw_path = root, raw_path or "/"


def _scope(request: web.Request, place: Place) -> dict[str, Any]:
    websocket = is_websocket(request)
    peer = request.transport.get_extra_info("peername") if request.transport else None
    scope: dict[str, Any] = {
        "type": "websocket" if websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "scheme": "ws" if websocket else "http",
        "path": unquote(place.raw_path),
        "raw_path": place.raw_path.encode(),
        "root_path": place.root,
        "query_string": request.rel_url.raw_query_string.encode(),
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": (peer[0], peer[1]) if peer else None,
    }
    if websocket:
        offered = request.headers.getall("Sec-WebSocket-Protocol", [])
        scope["subprotocols"] = [name.strip() for line in offered for name in line.split(",")]
    else:
        scope["method"] = request.method
    return scope


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"
