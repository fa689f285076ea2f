"""Proxy tokens: keys for web addresses that ask for proxy authentication, made and taken away by users."""

import hmac
import secrets

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.model import ProxyToken
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import USER, World


def rpcs(world: World) -> Rpcs:
    def known(token_id: str) -> ProxyToken:
        record = world.proxy_tokens.get(token_id)
        if record is None:
            raise not_found(f"Proxy token '{token_id}' not found")
        return record

    async def create(request: api_pb2.WebhookTokenCreateRequest, call: Call) -> api_pb2.TokenCreateResponse:
        record = world.proxy_tokens.put(
            ProxyToken(
                world.new_id("wk"),
                f"ws-{secrets.token_urlsafe(24)}",
                request.name,
                world.clock.now(),
                request.scoped,
            )
        )
        return api_pb2.TokenCreateResponse(token_id=record.token_id, token_secret=record.secret)

    async def list_all(request: Empty, call: Call) -> api_pb2.WebhookTokenListResponse:
        return api_pb2.WebhookTokenListResponse(tokens=map(_shown, world.proxy_tokens.values()))

    async def list_of(
        request: api_pb2.WebhookTokenListForEnvironmentRequest, call: Call
    ) -> api_pb2.WebhookTokenListResponse:
        environment_id = world.environment(request.environment_name).environment_id
        found = [item for item in world.proxy_tokens.values() if environment_id in item.environment_ids]
        return api_pb2.WebhookTokenListResponse(tokens=map(_shown, found))

    async def update(request: api_pb2.WebhookTokenUpdateRequest, call: Call) -> api_pb2.WebhookToken:
        record = known(request.token_id)
        if request.HasField("name"):
            record.name = request.name
        return _shown(world.proxy_tokens.put(record))

    async def delete(request: api_pb2.TokenDeleteRequest, call: Call) -> Empty:
        world.proxy_tokens.delete(known(request.token_id).token_id)
        return Empty()

    async def allow(request: api_pb2.WebhookTokenEnvironmentAddRequest, call: Call) -> Empty:
        record = known(request.token_id)
        if request.environment_id not in world.environments:
            raise not_found(f"Environment '{request.environment_id}' not found")
        record.scoped = True
        record.environment_ids = sorted({*record.environment_ids, request.environment_id})
        world.proxy_tokens.put(record)
        return Empty()

    async def revoke(request: api_pb2.WebhookTokenEnvironmentRemoveRequest, call: Call) -> Empty:
        record = known(request.token_id)
        record.scoped = True
        record.environment_ids = [item for item in record.environment_ids if item != request.environment_id]
        world.proxy_tokens.put(record)
        return Empty()

    async def environments(
        request: api_pb2.WebhookTokenEnvironmentListRequest, call: Call
    ) -> api_pb2.WebhookTokenEnvironmentListResponse:
        return api_pb2.WebhookTokenEnvironmentListResponse(
            environment_ids=known(request.token_id).environment_ids
        )

    return {
        "WebhookTokenCreate": create,
        "WebhookTokenList": list_all,
        "WebhookTokenListForEnvironment": list_of,
        "WebhookTokenUpdate": update,
        "WebhookTokenDelete": delete,
        "WebhookTokenEnvironmentAdd": allow,
        "WebhookTokenEnvironmentRemove": revoke,
        "WebhookTokenEnvironmentList": environments,
    }


def opens(world: World, key: str, secret: str, environment: str) -> bool:
    """Whether these open web addresses of the environment: a token that names none opens them all. The local cloud's
    own token is one, too."""
    if same(key, world.token.id):
        return same(secret, world.token.secret)
    record = world.proxy_tokens.get(key)
    if record is None or not same(secret, record.secret):
        return False
    return not record.scoped or world.environment(environment).environment_id in record.environment_ids


def same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _shown(record: ProxyToken) -> api_pb2.WebhookToken:
    return api_pb2.WebhookToken(
        token_id=record.token_id,
        created_at=record.created_at,
        scoped=record.scoped,
        name=record.name,
        created_by=api_pb2.UserIdentity(user_id=f"us-{USER}", username=USER),
    )
