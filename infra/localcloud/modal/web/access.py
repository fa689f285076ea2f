"""Who may use a web address: those that ask for proxy authentication want the headers Modal-Key and Modal-Secret."""

from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.web.tokens import opens
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


def check(world: World, request: web.Request, environment: str) -> None:
    """Raises 401."""
    key, secret = request.headers.get("Modal-Key", ""), request.headers.get("Modal-Secret", "")
    if not key or not secret:
        raise web.HTTPUnauthorized(text="modal-http: missing credentials for proxy authorization\n")
    if not opens(world, key, secret, environment):
        raise web.HTTPUnauthorized(text="modal-http: invalid credentials for proxy authorization\n")
