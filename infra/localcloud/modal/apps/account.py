"""Who is asking: the one workspace and the one token of this checkout."""

import base64
import json
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import USER, WORKSPACE, World

TOKEN_LIFE_S = 1200


def rpcs(world: World) -> Rpcs:
    async def workspace(request: Empty, call: Call) -> api_pb2.WorkspaceNameLookupResponse:
        return api_pb2.WorkspaceNameLookupResponse(workspace_name=WORKSPACE, username=USER)

    async def token(request: api_pb2.TokenInfoGetRequest, call: Call) -> api_pb2.TokenInfoGetResponse:
        return api_pb2.TokenInfoGetResponse(
            token_id=world.token.id,
            workspace_id=f"ac-{WORKSPACE}",
            workspace_name=WORKSPACE,
            user_identity=api_pb2.UserIdentity(user_id=f"us-{USER}", username=USER),
            created_at=Timestamp(seconds=int(world.environment("").created_at)),
            token_name=WORKSPACE,
        )

    async def auth_token(request: api_pb2.AuthTokenGetRequest, call: Call) -> api_pb2.AuthTokenGetResponse:
        """A JWT that nobody signed: some clients want one, and read when it expires."""
        claims = {"sub": USER, "exp": int(world.clock.now()) + TOKEN_LIFE_S}
        parts = (_part({"alg": "none", "typ": "JWT"}), _part(claims), "")
        return api_pb2.AuthTokenGetResponse(token=".".join(parts))

    async def dashboard(
        request: api_pb2.WorkspaceDashboardUrlRequest, call: Call
    ) -> api_pb2.WorkspaceDashboardUrlResponse:
        return api_pb2.WorkspaceDashboardUrlResponse(url=f"{world.urls.page}/")

    async def hello(request: Empty, call: Call) -> api_pb2.ClientHelloResponse:
        return api_pb2.ClientHelloResponse()

    return {
        "WorkspaceNameLookup": workspace,
        "TokenInfoGet": token,
        "AuthTokenGet": auth_token,
        "ClientHello": hello,
        "WorkspaceDashboardUrlGet": dashboard,
    }


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
