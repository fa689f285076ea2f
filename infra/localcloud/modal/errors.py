"""How a handler refuses: a gRPC status and a text that the client shows to the user."""

from collections.abc import Sequence

from google.protobuf.message import Message
from grpclib.const import Status


class RpcError(Exception):
    """Becomes the answer. `details` may hold an `RPCRetryPolicy`, which tells the client when to try again."""

    def __init__(self, status: Status, message: str, details: Sequence[Message] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def not_found(message: str) -> RpcError:
    return RpcError(Status.NOT_FOUND, message)


def invalid(message: str) -> RpcError:
    return RpcError(Status.INVALID_ARGUMENT, message)
