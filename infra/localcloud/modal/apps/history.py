"""An app's versions: listed, rolled back to, rolled over, and promoted from staged ones."""

import dataclasses
from typing import NamedTuple

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.model import AppRecord, DeploymentRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import USER, World

from .publish import activate, deployment_key, deployments_of, next_version


class _Done(NamedTuple):
    url: str
    deployed_at: float


def rpcs(world: World) -> Rpcs:
    async def history(
        request: api_pb2.AppDeploymentHistoryRequest, call: Call
    ) -> api_pb2.AppDeploymentHistoryResponse:
        app = world.app(request.app_id)
        answer = api_pb2.AppDeploymentHistoryResponse(production_app_version=app.version)
        for record in deployments_of(world, app.app_id):
            answer.app_deployment_histories.append(_entry(app, record))
        return answer

    async def rollback(request: api_pb2.AppRollbackRequest, call: Call) -> api_pb2.AppRollbackResponse:
        """Version -1 is the one before the current one."""
        app = _deployed(world, request.app_id)
        target = _previous(world, app) if request.version < 0 else _version(world, app, request.version)
        if target.version == app.version:
            raise RpcError(Status.INVALID_ARGUMENT, f"App '{app.name}' is at v{target.version} already")
        done = _again(world, app, target, api_pb2.DEPLOYMENT_TYPE_ROLLBACK)
        return api_pb2.AppRollbackResponse(url=done.url, deployed_at=done.deployed_at)

    async def rollover(request: api_pb2.AppRolloverRequest, call: Call) -> api_pb2.AppRolloverResponse:
        app = _deployed(world, request.app_id)
        done = _again(world, app, _version(world, app, app.version), api_pb2.DEPLOYMENT_TYPE_ROLLOVER)
        return api_pb2.AppRolloverResponse(url=done.url, deployed_at=done.deployed_at)

    async def promote(request: api_pb2.AppPromoteRequest, call: Call) -> api_pb2.AppPromoteResponse:
        app = _deployed(world, request.app_id)
        target = _version(world, app, request.version)
        if not target.staged:
            raise RpcError(Status.FAILED_PRECONDITION, f"v{target.version} of app '{app.name}' is not staged")
        done = _again(world, app, target, api_pb2.DEPLOYMENT_TYPE_PROMOTION)
        return api_pb2.AppPromoteResponse(url=done.url, deployed_at=done.deployed_at)

    return {
        "AppDeploymentHistory": history,
        "AppRollback": rollback,
        "AppRollover": rollover,
        "AppPromote": promote,
    }


def _again(world: World, app: AppRecord, target: DeploymentRecord, kind: int) -> _Done:
    """What an older version was, as a new version."""
    again = dataclasses.replace(
        target,
        version=next_version(world, app),
        deployed_at=world.clock.now(),
        deployed_by=USER,
        rollback_version=0 if kind == api_pb2.DEPLOYMENT_TYPE_ROLLOVER else target.version,
        staged=False,
        deployment_type=kind,
    )
    activate(world, app, again, keep=True)
    return _Done(world.page_url(app.app_id), again.deployed_at)


def _deployed(world: World, app_id: str) -> AppRecord:
    app = world.app(app_id)
    if app.state != api_pb2.APP_STATE_DEPLOYED:
        raise RpcError(Status.FAILED_PRECONDITION, f"App '{app.name or app.description}' is not deployed")
    return app


def _version(world: World, app: AppRecord, version: int) -> DeploymentRecord:
    record = world.deployments.get(deployment_key(app.app_id, version))
    if record is None:
        raise not_found(f"App '{app.name}' has no version v{version}")
    return record


def _previous(world: World, app: AppRecord) -> DeploymentRecord:
    older = (
        record
        for record in deployments_of(world, app.app_id)
        if record.version < app.version and not record.staged
    )
    found = next(older, None)
    if found is None:
        raise RpcError(Status.FAILED_PRECONDITION, f"App '{app.name}' has no version before v{app.version}")
    return found


def _entry(app: AppRecord, record: DeploymentRecord) -> api_pb2.AppDeploymentHistory:
    return api_pb2.AppDeploymentHistory(
        app_id=app.app_id,
        version=record.version,
        client_version=record.client_version,
        deployed_at=record.deployed_at,
        deployed_by=record.deployed_by,
        tag=record.tag,
        rollback_version=record.rollback_version,
        rollback_allowed=app.running and record.version != app.version,
        commit_info=record.commit,
        deployment_type=record.deployment_type,  # type: ignore[arg-type]
    )
