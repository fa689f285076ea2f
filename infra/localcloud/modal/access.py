"""Who may call: clients with this checkout's token. Containers come over sockets of their own and need none."""

import hmac
from collections.abc import Mapping

from grpclib.const import Status

from .errors import RpcError
from .world import Token


def check_token(metadata: Mapping[str, str], token: Token) -> None:
    """RpcError UNAUTHENTICATED, whose text the client shows."""
    given, secret = metadata.get("x-modal-token-id", ""), metadata.get("x-modal-token-secret", "")
    if not given or not secret:
        raise _refused("Token missing: the local cloud wants the token of its cloud.json.")
    if not _same(given, token.id):
        raise _refused(f"Token {given!r} is not known to the local cloud, whose token is {token.id!r}.")
    if not _same(secret, token.secret):
        raise _refused(f"The secret of token {given!r} is wrong.")


def _refused(what: str) -> RpcError:
    return RpcError(
        Status.UNAUTHENTICATED, f"{what} `pilotlight cloud env` prints MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."
    )


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
