"""A function's definition: made whole, described to callers, and compared without what differs by chance."""

import hashlib

from modal_proto import api_pb2

from infra.localcloud.modal.model import AppRecord
from infra.localcloud.modal.world import World

# Arguments of spawned calls go along up to this size; above it, clients upload them first.
ASYNC_INLINE_BYTES = 2 << 20


def complete(request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionData:
    """The definition as one FunctionData, which clients send only when there are several choices of GPUs."""
    if request.HasField("function_data"):
        data = api_pb2.FunctionData()
        data.CopyFrom(request.function_data)
        return data
    function = request.function
    data = api_pb2.FunctionData()
    for descriptor, value in function.ListFields():
        target = data.DESCRIPTOR.fields_by_name.get(descriptor.name)
        if target is None:
            continue
        if target.message_type is not None and target.message_type.GetOptions().map_entry:
            getattr(data, target.name).MergeFrom(value)
        elif target.is_repeated:
            getattr(data, target.name).extend(value)
        elif target.message_type is not None:
            getattr(data, target.name).CopyFrom(value)
        else:
            setattr(data, target.name, value)
    if request.HasField("schedule"):
        data.schedule.CopyFrom(request.schedule)
    data.ranked_functions.add(rank=0, function=function)
    return data


def readable(data: api_pb2.FunctionData) -> api_pb2.FunctionData:
    """Without the pickled code, which only containers need."""
    shown = api_pb2.FunctionData()
    shown.CopyFrom(data)
    for ranked in shown.ranked_functions:
        ranked.function.ClearField("function_serialized")
        ranked.function.ClearField("class_serialized")
    if not shown.ranked_functions:
        shown.ranked_functions.add()
    return shown


def handle_for(app: AppRecord, data: api_pb2.FunctionData) -> api_pb2.FunctionHandleMetadata:
    """What a caller needs to know. Web addresses have to be in the definition already."""
    handle = api_pb2.FunctionHandleMetadata(
        function_name=data.function_name,
        function_type=data.function_type,
        web_url=data.web_url,
        is_method=data.is_method,
        app_id=app.app_id,
        class_parameter_info=data.class_parameter_info,
        function_schema=data.function_schema if data.HasField("function_schema") else None,
        supported_input_formats=data.supported_input_formats,
        supported_output_formats=data.supported_output_formats,
        max_async_object_size_bytes=ASYNC_INLINE_BYTES,
    )
    handle._experimental_flash_urls.extend(data.flash_service_urls)
    for name, method in data.method_definitions.items():
        handle.method_handle_metadata[name].CopyFrom(_method_handle(app, data, name, method))
    return handle


def fingerprint(world: World, data: api_pb2.FunctionData) -> str:
    """Equal for definitions without a difference: mounts come in any order, and a secret that a deploy brings along
    gets a new id each time, so its content stands for it."""
    same = api_pb2.FunctionData()
    same.CopyFrom(data)
    for ranked in same.ranked_functions:
        function = ranked.function
        mounts = sorted(function.mount_ids)
        secrets = [_secret_identity(world, secret_id) for secret_id in function.secret_ids]
        dependencies = sorted(
            _secret_identity(world, item.object_id) for item in function.object_dependencies
        )
        del function.mount_ids[:], function.secret_ids[:], function.object_dependencies[:]
        function.mount_ids.extend(mounts)
        function.secret_ids.extend(secrets)
        for dependency in dependencies:
            function.object_dependencies.add(object_id=dependency)
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()


def _method_handle(
    app: AppRecord, data: api_pb2.FunctionData, name: str, method: api_pb2.MethodDefinition
) -> api_pb2.FunctionHandleMetadata:
    return api_pb2.FunctionHandleMetadata(
        function_name=method.function_name,
        function_type=method.function_type,
        web_url=method.web_url,
        is_method=True,
        use_method_name=name,
        app_id=app.app_id,
        class_parameter_info=data.class_parameter_info,
        function_schema=method.function_schema if method.HasField("function_schema") else None,
        supported_input_formats=method.supported_input_formats,
        supported_output_formats=method.supported_output_formats,
        max_async_object_size_bytes=ASYNC_INLINE_BYTES,
    )


def _secret_identity(world: World, object_id: str) -> str:
    record = world.secret_records.get(object_id)
    if record is None or record.name:
        return object_id
    content = "\0".join(f"{key}={value}" for key, value in sorted(record.values.items()))
    return "content:" + hashlib.sha256(content.encode()).hexdigest()
