"""The records of bound functions: a class with parameters, or a function with other options, made from its base."""

import base64
import hashlib
from dataclasses import replace

from modal_proto import api_pb2

from infra.localcloud.core.store import Namespace
from infra.localcloud.modal.model import FunctionRecord
from infra.localcloud.modal.world import World


def bound_function(
    world: World, function_id: str, params: bytes, options: api_pb2.FunctionOptions | None = None
) -> FunctionRecord:
    """The same function for the same parameters and options. RpcError NOT_FOUND for an unknown base."""
    base = world.function(function_id)
    base = world.function(base.base_id) if base.base_id else base
    packed = options.SerializeToString(deterministic=True) if options else b""
    digest = hashlib.sha256(b"\0".join([base.function_id.encode(), params, packed])).hexdigest()
    bound_id = f"fu-{digest[:22]}"
    record = world.functions.get(bound_id)
    if record is None:
        _options(world).put(bound_id, base64.b64encode(packed).decode())
        record = world.functions.put(_bound(base, bound_id, params, packed))
    return record


def refresh(world: World, base: FunctionRecord) -> list[FunctionRecord]:
    """The base has changed: what is bound to it changes with it."""
    kept = _options(world)
    bound = [record for record in world.functions.values() if record.base_id == base.function_id]
    return [
        world.functions.put(
            _bound(
                base,
                record.function_id,
                record.serialized_params,
                base64.b64decode(kept.get(record.function_id, "")),
            )
        )
        for record in bound
    ]


def options_of(world: World, function_id: str) -> api_pb2.FunctionOptions:
    """What a bound function was bound to, besides its parameters."""
    return api_pb2.FunctionOptions.FromString(base64.b64decode(_options(world).get(function_id, "")))


def _options(world: World) -> Namespace:
    return world.kv("bound")


def _bound(base: FunctionRecord, bound_id: str, params: bytes, packed: bytes) -> FunctionRecord:
    data, settings = api_pb2.FunctionData(), api_pb2.AutoscalerSettings()
    data.CopyFrom(base.data)
    settings.CopyFrom(base.settings)
    options = api_pb2.FunctionOptions.FromString(packed)
    for ranked in data.ranked_functions:
        _apply(ranked.function, options)
    _scale(settings, options)
    handle = api_pb2.FunctionHandleMetadata()
    handle.CopyFrom(base.handle)
    handle.base_function_id = base.function_id
    return replace(
        base,
        function_id=bound_id,
        base_id=base.function_id,
        serialized_params=params,
        handle=handle,
        data=data,
        settings=settings,
    )


def _apply(function: api_pb2.Function, options: api_pb2.FunctionOptions) -> None:
    """What `with_options`, `with_concurrency` and `with_batching` change of a definition."""
    if options.replace_secret_ids or options.secret_ids:
        del function.secret_ids[:]
        function.secret_ids.extend(options.secret_ids)
    if options.replace_volume_mounts:
        del function.volume_mounts[:]
        function.volume_mounts.extend(options.volume_mounts)
    if options.mount_ids:
        function.mount_ids.extend(options.mount_ids)
    for name in ("resources", "retry_policy", "scheduler_placement"):
        if options.HasField(name):
            getattr(function, name).CopyFrom(getattr(options, name))
    for name in (
        "timeout_secs",
        "max_concurrent_inputs",
        "target_concurrent_inputs",
        "batch_max_size",
        "batch_linger_ms",
        "cloud_provider_str",
    ):
        if options.HasField(name):  # type: ignore[arg-type]
            setattr(function, name, getattr(options, name))


def _scale(settings: api_pb2.AutoscalerSettings, options: api_pb2.FunctionOptions) -> None:
    pairs = {
        "warm_pool_size": "min_containers",
        "concurrency_limit": "max_containers",
        "buffer_containers": "buffer_containers",
        "task_idle_timeout_secs": "scaledown_window",
    }
    for option, setting in pairs.items():
        if options.HasField(option):  # type: ignore[arg-type]
            setattr(settings, setting, getattr(options, option))
    if settings.max_containers == 0:
        settings.ClearField("max_containers")
