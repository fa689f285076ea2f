"""Functions and classes: announced, defined and looked up. A definition takes effect when its app is published."""

from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.model import AppRecord, ClassRecord, DefinitionRecord, FunctionRecord
from infra.localcloud.modal.rpc import Call, RpcError, Rpcs
from infra.localcloud.modal.world import World

from .checks import check_definition
from .definitions import complete, fingerprint, handle_for, readable
from .layout import class_handle
from .webroutes import assign


def rpcs(world: World) -> Rpcs:
    async def precreate(
        request: api_pb2.FunctionPrecreateRequest, call: Call
    ) -> api_pb2.FunctionPrecreateResponse:
        app = _open_app(world, request.app_id)
        record = _existing(world, app, request.existing_function_id)
        draft = api_pb2.FunctionData(
            function_name=request.function_name,
            function_type=request.function_type,
            webhook_config=request.webhook_config if request.HasField("webhook_config") else None,
            method_definitions=request.method_definitions,
            method_definitions_set=bool(request.method_definitions),
            function_schema=request.function_schema if request.HasField("function_schema") else None,
            supported_input_formats=request.supported_input_formats,
            supported_output_formats=request.supported_output_formats,
        )
        function_id = record.function_id if record else world.new_id("fu")
        assign(world, app, function_id, draft)
        handle = handle_for(app, draft)
        if record is None:
            world.functions.put(FunctionRecord(function_id, app.app_id, request.function_name, handle))
        return api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=handle)

    async def create(request: api_pb2.FunctionCreateRequest, call: Call) -> api_pb2.FunctionCreateResponse:
        app = _open_app(world, request.app_id)
        data = complete(request)
        check_definition(world, data)
        record = _existing(world, app, request.existing_function_id)
        if record is None:
            record = FunctionRecord(
                world.new_id("fu"), app.app_id, data.function_name, api_pb2.FunctionHandleMetadata()
            )
        assign(world, app, record.function_id, data)
        definition = DefinitionRecord(
            world.new_id("de"), record.function_id, data, handle_for(app, data), fingerprint(world, data)
        )
        definition.handle.definition_id = definition.definition_id
        with world.store.transaction():
            world.definitions.put(definition)
            if not record.version:
                # Until it is published this is all there is to say of it, and nobody can call it.
                record.handle, record.data = definition.handle, data
                record.definition_id = definition.definition_id
                world.functions.put(record)
        shown = readable(data)
        return api_pb2.FunctionCreateResponse(
            function_id=record.function_id,
            handle_metadata=definition.handle,
            function=shown.ranked_functions[0].function,
            function_data=shown,
        )

    async def create_class(request: api_pb2.ClassCreateRequest, call: Call) -> api_pb2.ClassCreateResponse:
        app = _open_app(world, request.app_id)
        record = world.classes.get(request.existing_class_id) if request.existing_class_id else None
        if record is None or record.app_id != app.app_id:
            record = world.classes.put(ClassRecord(world.new_id("cs"), app.app_id))
        return api_pb2.ClassCreateResponse(
            class_id=record.class_id, handle_metadata=class_handle(world, record)
        )

    async def get(request: api_pb2.FunctionGetRequest, call: Call) -> api_pb2.FunctionGetResponse:
        app = _deployed(world, request.app_name, request.environment_name, request.app_version)
        function_id = app.function_ids.get(request.object_tag)
        if function_id is None:
            raise not_found(f"Function '{request.object_tag}' not found in app '{app.name}'")
        record = world.function(function_id)
        return api_pb2.FunctionGetResponse(
            function_id=function_id, handle_metadata=record.handle, function=readable(record.data)
        )

    async def get_by_id(
        request: api_pb2.FunctionGetByIdRequest, call: Call
    ) -> api_pb2.FunctionGetByIdResponse:
        record = world.function(request.function_id)
        return api_pb2.FunctionGetByIdResponse(function=readable(record.data), handle_metadata=record.handle)

    async def get_class(request: api_pb2.ClassGetRequest, call: Call) -> api_pb2.ClassGetResponse:
        app = _deployed(world, request.app_name, request.environment_name, request.app_version)
        class_id = app.class_ids.get(request.object_tag)
        if class_id is None:
            raise not_found(f"Class '{request.object_tag}' not found in app '{app.name}'")
        handle = class_handle(world, world.classes[class_id])
        return api_pb2.ClassGetResponse(class_id=class_id, handle_metadata=handle)

    return {
        "FunctionPrecreate": precreate,
        "FunctionCreate": create,
        "ClassCreate": create_class,
        "FunctionGet": get,
        "FunctionGetById": get_by_id,
        "ClassGet": get_class,
    }


def _open_app(world: World, app_id: str) -> AppRecord:
    app = world.app(app_id)
    if not app.running:
        raise RpcError(Status.FAILED_PRECONDITION, f"App '{app.name or app.description}' is stopped")
    return app


def _existing(world: World, app: AppRecord, function_id: str) -> FunctionRecord | None:
    record = world.functions.get(function_id) if function_id else None
    return record if record is not None and record.app_id == app.app_id else None


def _deployed(world: World, name: str, environment_name: str, version: int) -> AppRecord:
    environment = world.environment(environment_name).name
    app = world.deployed(name, environment)
    if app is None:
        raise not_found(f"App '{name}' not found in environment '{environment}'")
    if version not in (0, app.version):
        raise RpcError(
            Status.UNIMPLEMENTED,
            f"The local cloud runs the deployed version of an app only: '{name}' is at v{app.version}, "
            f"v{version} was asked for",
        )
    return app
