"""Environments: apps, secrets and volumes of the same name live side by side in them."""

import re

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.model import DEFAULT_ENVIRONMENT, EnvironmentRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import IMAGE_BUILDER_VERSION, World

from .lifecycle import stop_app


def rpcs(world: World) -> Rpcs:
    async def get_or_create(
        request: api_pb2.EnvironmentGetOrCreateRequest, call: Call
    ) -> api_pb2.EnvironmentGetOrCreateResponse:
        name = request.deployment_name or DEFAULT_ENVIRONMENT
        record = _find(world, name)
        if record is None:
            if request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
                raise not_found(f"Environment '{name}' not found")
            record = _create(world, name)
        elif request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise RpcError(Status.ALREADY_EXISTS, f"Environment '{name}' already exists")
        return api_pb2.EnvironmentGetOrCreateResponse(
            environment_id=record.environment_id,
            metadata=api_pb2.EnvironmentMetadata(
                name=record.name,
                settings=api_pb2.EnvironmentSettings(
                    image_builder_version=record.image_builder_version, webhook_suffix=record.webhook_suffix
                ),
                environment_type=api_pb2.ENVIRONMENT_TYPE_PUBLIC,
            ),
        )

    async def create(request: api_pb2.EnvironmentCreateRequest, call: Call) -> Empty:
        if _find(world, request.name) is not None:
            raise RpcError(Status.ALREADY_EXISTS, f"Environment '{request.name}' already exists")
        _create(world, request.name)
        return Empty()

    async def delete(request: api_pb2.EnvironmentDeleteRequest, call: Call) -> Empty:
        record = world.environment(request.name)
        if record.name == DEFAULT_ENVIRONMENT:
            raise RpcError(
                Status.FAILED_PRECONDITION, f"Environment '{record.name}' is the default one and stays"
            )
        for app in world.apps.values():
            if app.environment == record.name and app.running:
                stop_app(world, app)
        for secret in world.secret_records.values():
            if secret.environment == record.name:
                world.secret_records.delete(secret.secret_id)
        world.environments.delete(record.environment_id)
        for listener in world.environment_listeners:
            listener(record.name, None)
        return Empty()

    async def update(request: api_pb2.EnvironmentUpdateRequest, call: Call) -> api_pb2.EnvironmentListItem:
        record = world.environment(request.current_name)
        if request.HasField("web_suffix"):
            record.webhook_suffix = request.web_suffix.value
        if request.HasField("max_concurrent_tasks"):
            record.max_concurrent_tasks = request.max_concurrent_tasks
        if request.HasField("max_concurrent_gpus"):
            record.max_concurrent_gpus = request.max_concurrent_gpus
        if request.HasField("image_builder_version"):
            record.image_builder_version = request.image_builder_version
        if request.HasField("name") and request.name.value != record.name:
            _rename(world, record, request.name.value)
        world.environments.put(record)
        return _item(world, record)

    async def list_all(request: Empty, call: Call) -> api_pb2.EnvironmentListResponse:
        records = sorted(world.environments.values(), key=lambda record: record.created_at)
        return api_pb2.EnvironmentListResponse(items=[_item(world, record) for record in records])

    return {
        "EnvironmentGetOrCreate": get_or_create,
        "EnvironmentCreate": create,
        "EnvironmentDelete": delete,
        "EnvironmentUpdate": update,
        "EnvironmentList": list_all,
    }


def _find(world: World, name: str) -> EnvironmentRecord | None:
    return next((record for record in world.environments.values() if record.name == name), None)


def _create(world: World, name: str) -> EnvironmentRecord:
    _check_name(name)
    suffix = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return world.environments.put(
        EnvironmentRecord(world.new_id("en"), name, world.clock.now(), suffix, IMAGE_BUILDER_VERSION)
    )


def _rename(world: World, record: EnvironmentRecord, name: str) -> None:
    _check_name(name)
    if _find(world, name) is not None:
        raise RpcError(Status.ALREADY_EXISTS, f"Environment '{name}' already exists")
    old, record.name = record.name, name
    with world.store.transaction():
        for app in world.apps.values():
            if app.environment == old:
                app.environment = name
                world.apps.put(app)
        for secret in world.secret_records.values():
            if secret.environment == old:
                secret.environment = name
                world.secret_records.put(secret)
        for listener in world.environment_listeners:
            listener(old, name)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        raise invalid(
            f"'{name}' is no environment name: letters, digits, dashes, dots and underscores, at most 64"
        )


def _item(world: World, record: EnvironmentRecord) -> api_pb2.EnvironmentListItem:
    tasks = [task for task in world.fleet.tasks(None) if task.environment == record.name]
    return api_pb2.EnvironmentListItem(
        name=record.name,
        webhook_suffix=record.webhook_suffix,
        created_at=record.created_at,
        default=record.name == DEFAULT_ENVIRONMENT,
        environment_id=record.environment_id,
        max_concurrent_tasks=record.max_concurrent_tasks,
        max_concurrent_gpus=record.max_concurrent_gpus,
        current_concurrent_tasks=len(tasks),
        current_concurrent_gpus=sum(task.gpu_count for task in tasks),
        environment_type=api_pb2.ENVIRONMENT_TYPE_PUBLIC,
        image_builder_version=record.image_builder_version,
    )
