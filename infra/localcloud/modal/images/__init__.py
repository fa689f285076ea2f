"""Images: layers in the client's own Dockerfile lines, built for real as far as they concern Python."""

from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.waiting import within
from infra.localcloud.modal.world import World

from .environment import Tools
from .store import ImageRecord, ImageStore, Unpacked

__all__ = ["ImageStore", "Tools", "Unpacked", "rpcs"]


def rpcs(world: World, images: ImageStore) -> Rpcs:
    async def get_or_create(
        request: api_pb2.ImageGetOrCreateRequest, call: Call
    ) -> api_pb2.ImageGetOrCreateResponse:
        record = await images.get_or_create(request)
        answer = api_pb2.ImageGetOrCreateResponse(image_id=record.image_id)
        if record.status:
            answer.result.CopyFrom(_result(record))
        if record.status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
            answer.metadata.CopyFrom(images.metadata(record))
        return answer

    async def join(
        request: api_pb2.ImageJoinStreamingRequest, call: Call
    ) -> AsyncIterator[api_pb2.ImageJoinStreamingResponse]:
        """The build's log from where the client is, then its result."""
        record = _need(images, request.image_id)
        seen = int(request.last_entry_id) if request.last_entry_id.isdigit() else 0
        deadline = world.clock.monotonic() + request.timeout
        while True:
            change = images.changed.next
            text, done = record.log, record.status
            if len(text) > seen:
                entry = api_pb2.ImageJoinStreamingResponse(entry_id=str(len(text)))
                entry.task_logs.add(
                    data=text[seen:],
                    timestamp=world.clock.now(),
                    file_descriptor=api_pb2.FILE_DESCRIPTOR_STDOUT,
                )
                seen = len(text)
                yield entry
            if done:
                last = api_pb2.ImageJoinStreamingResponse(
                    result=_result(record), eof=True, entry_id=str(seen)
                )
                if done == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
                    last.metadata.CopyFrom(images.metadata(record))
                yield last
                return
            left = deadline - world.clock.monotonic()
            if left <= 0 or not await within(world.clock, left, change.wait()):
                return

    async def from_id(request: api_pb2.ImageFromIdRequest, call: Call) -> api_pb2.ImageFromIdResponse:
        record = _need(images, request.image_id)
        return api_pb2.ImageFromIdResponse(image_id=record.image_id, metadata=images.metadata(record))

    async def delete(request: api_pb2.ImageDeleteRequest, call: Call) -> Empty:
        images.records.delete(_need(images, request.image_id).image_id)
        return Empty()

    return {
        "ImageGetOrCreate": get_or_create,
        "ImageJoinStreaming": join,
        "ImageFromId": from_id,
        "ImageDelete": delete,
    }


def _need(images: ImageStore, image_id: str) -> ImageRecord:
    record = images.records.get(image_id)
    if record is None:
        raise not_found(f"Image '{image_id}' not found")
    return record


def _result(record: ImageRecord) -> api_pb2.GenericResult:
    return api_pb2.GenericResult(status=record.status, exception=record.exception)  # type: ignore[arg-type]
