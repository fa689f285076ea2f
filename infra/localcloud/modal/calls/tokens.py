"""The tokens by which clients name inputs and calls to us: unsigned, read back by the client for the index."""

import base64
import binascii
import json

from infra.localcloud.modal.calls.book import Book, FunctionCall, Input
from infra.localcloud.modal.errors import invalid, not_found


def input_token(item: Input) -> str:
    return _encode({"idx": item.idx, "input_id": item.id, "function_call_id": item.call.id})


def call_token(call: FunctionCall) -> str:
    return _encode({"function_call_id": call.id})


def read_input(book: Book, token: str) -> Input:
    """RpcError NOT_FOUND for an input that is no longer known."""
    input_id = str(_decode(token).get("input_id", ""))
    item = book.inputs.get(input_id)
    if item is None:
        raise not_found(f"Input '{input_id}' not found: its result has expired")
    return item


def _encode(fields: dict[str, str | int]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, fields]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts), ""])


def _decode(token: str) -> dict[str, object]:
    try:
        fields = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError, binascii.Error):
        raise invalid("That is no token of an input") from None
    return fields if isinstance(fields, dict) else {}
