"""Who may use a web address: those that ask for proxy authentication want the headers Modal-Key and Modal-Secret."""

import hmac

from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.world import World


def guarded(record: FunctionRecord, method: str) -> bool:
    function = record.function
    if function.is_server:
        return not function.http_config.unauthenticated
    return webhook(record, method).requires_proxy_auth


def webhook(record: FunctionRecord, method: str) -> api_pb2.WebhookConfig:
    if not method:
        return record.function.webhook_config
    return record.function.method_definitions[method].webhook_config


def check(world: World, request: web.Request) -> None:
    """The local cloud takes its own token as the key and the secret. Raises 401."""
    key, secret = request.headers.get("Modal-Key", ""), request.headers.get("Modal-Secret", "")
    if not key or not secret:
        raise web.HTTPUnauthorized(text="modal-http: missing credentials for proxy authorization\n")
    if not (_same(key, world.token.id) and _same(secret, world.token.secret)):
        raise web.HTTPUnauthorized(text="modal-http: invalid credentials for proxy authorization\n")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
