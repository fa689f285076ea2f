"""What goes wrong, as the engine is told it: one clean text, no secret in it, no traceback."""

import os
import sys
import traceback
from collections.abc import Iterable
from typing import Any, NoReturn

import grpc.aio  # type: ignore[import-untyped]
from google.protobuf import any_pb2

from infra.kit.protos import provider_pb2, status_pb2
from infra.kit.wire import Tree, encode
from infra.spec.errors import PilotlightError

_SHORTEST_SECRET = 4


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret in it masked, longest first."""
    for secret in sorted(
        {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True
    ):
        text = text.replace(secret, "[secret]")
    return text


def explain(error: BaseException, token: str, method: str, secrets: Iterable[str]) -> str:
    """A `PilotlightError` verbatim; anything else is our bug and says so in one line."""
    if isinstance(error, PilotlightError):
        return redact(str(error), secrets)
    if os.environ.get("PILOTLIGHT_DEBUG"):
        lines = "".join(traceback.format_exception(error))
        print(redact(lines, secrets), file=sys.stderr)  # noqa: T201
    text = " ".join(str(error).split())
    return redact(
        f"internal error in {token} {method}: {type(error).__name__}: {text} (this is a bug in the provider; "
        "run with PILOTLIGHT_DEBUG=1 for the traceback)",
        secrets,
    )


async def abort(context: Any, text: str) -> NoReturn:
    await context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError("abort returned")


async def abort_init(context: Any, id: str, outputs: Tree, inputs: Tree, reasons: list[str]) -> NoReturn:
    """The object exists but is not ready: the engine saves it with its id and these reasons."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=id, properties=encode(outputs), reasons=reasons, inputs=encode(inputs)
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message="; ".join(reasons), details=[packed]
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(grpc.StatusCode.UNKNOWN, status.message)
    raise AssertionError("abort returned")
