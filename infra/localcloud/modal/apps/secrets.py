"""Secrets: values go in and reach containers; clients get to see the keys only."""

import math
from collections.abc import Sequence

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.model import SecretRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import USER, World

ANONYMOUS = (api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP, api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)


class SecretStore:
    """Implements `model.Secrets`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def env(self, secret_ids: Sequence[str]) -> dict[str, str]:
        merged: dict[str, str] = {}
        for secret_id in secret_ids:
            record = self._world.secret_records[secret_id]
            record.last_used_at = self._world.clock.now()
            merged.update(record.values)
        return merged


def rpcs(world: World) -> Rpcs:
    async def get_or_create(
        request: api_pb2.SecretGetOrCreateRequest, call: Call
    ) -> api_pb2.SecretGetOrCreateResponse:
        environment = world.environment(request.environment_name).name
        record = _get_or_create(world, request, environment)
        missing = [key for key in request.required_keys if key not in record.values]
        if missing:
            raise RpcError(Status.FAILED_PRECONDITION, f"Secret is missing key(s): {', '.join(missing)}")
        return api_pb2.SecretGetOrCreateResponse(secret_id=record.secret_id, metadata=_metadata(record))

    async def list_all(request: api_pb2.SecretListRequest, call: Call) -> api_pb2.SecretListResponse:
        """Newest first, a page at a time."""
        environment = world.environment(request.environment_name).name
        before = request.pagination.created_before or math.inf
        found = [
            record
            for record in world.secret_records.values()
            if record.name and record.environment == environment and record.created_at < before
        ]
        found.sort(key=lambda record: -record.created_at)
        page = found[: request.pagination.max_objects or None]
        items = [
            api_pb2.SecretListItem(
                label=record.name,
                created_at=record.created_at,
                last_used_at=record.last_used_at,
                environment_name=environment,
                secret_id=record.secret_id,
                metadata=_metadata(record),
            )
            for record in page
        ]
        return api_pb2.SecretListResponse(items=items, environment_name=environment)

    async def update(request: api_pb2.SecretUpdateRequest, call: Call) -> Empty:
        """A key without a value goes away."""
        record = _need(world, request.secret_id)
        for change in request.updates:
            if change.HasField("value"):
                record.values[change.key] = change.value
            else:
                record.values.pop(change.key, None)
        world.secret_records.put(record)
        return Empty()

    async def info(request: api_pb2.SecretGetInfoRequest, call: Call) -> api_pb2.SecretGetInfoResponse:
        return api_pb2.SecretGetInfoResponse(metadata=_metadata(_need(world, request.secret_id)))

    async def delete(request: api_pb2.SecretDeleteRequest, call: Call) -> Empty:
        world.secret_records.delete(_need(world, request.secret_id).secret_id)
        return Empty()

    return {
        "SecretGetOrCreate": get_or_create,
        "SecretList": list_all,
        "SecretUpdate": update,
        "SecretGetInfo": info,
        "SecretDelete": delete,
    }


def _get_or_create(world: World, request: api_pb2.SecretGetOrCreateRequest, environment: str) -> SecretRecord:
    kind, name, values = request.object_creation_type, request.deployment_name, dict(request.env_dict)
    if kind in ANONYMOUS:
        return world.secret_records.put(_new(world, "", environment, values))
    if not name:
        raise invalid("A secret is created and looked up by name, and none was given")
    record = next(
        (
            record
            for record in world.secret_records.values()
            if record.name == name and record.environment == environment
        ),
        None,
    )
    if record is None:
        if kind == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise not_found(f"Secret '{name}' not found in environment '{environment}'")
        return world.secret_records.put(_new(world, name, environment, values))
    if kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
        raise RpcError(
            Status.ALREADY_EXISTS, f"Secret '{name}' already exists in environment '{environment}'"
        )
    if kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS:
        record.values = values
        world.secret_records.put(record)
    return record


def _new(world: World, name: str, environment: str, values: dict[str, str]) -> SecretRecord:
    return SecretRecord(world.new_id("st"), name, environment, values, world.clock.now(), USER)


def _need(world: World, secret_id: str) -> SecretRecord:
    record = world.secret_records.get(secret_id)
    if record is None:
        raise not_found(f"Secret '{secret_id}' not found")
    return record


def _metadata(record: SecretRecord) -> api_pb2.SecretMetadata:
    return api_pb2.SecretMetadata(
        name=record.name,
        creation_info=api_pb2.CreationInfo(created_at=record.created_at, created_by=record.created_by),
        keys=sorted(record.values),
        environment_name=record.environment,
        last_used_at=record.last_used_at,
    )
