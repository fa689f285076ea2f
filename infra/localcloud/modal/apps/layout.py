"""Apps and functions in the form that clients and containers hold them."""

from modal_proto import api_pb2

from infra.localcloud.modal.model import AppRecord, ClassRecord
from infra.localcloud.modal.world import USER, World


def layout(world: World, app_id: str) -> api_pb2.AppLayout:
    """What a container of the app has to know of its functions and classes, and a deploy of what is there already."""
    app = world.app(app_id)
    answer = api_pb2.AppLayout(function_ids=app.function_ids, class_ids=app.class_ids)
    for function_id in app.function_ids.values():
        function = world.function(function_id)
        answer.objects.add(object_id=function_id, function_handle_metadata=function.handle)
    for class_id in app.class_ids.values():
        handle = class_handle(world, world.classes[class_id])
        answer.objects.add(object_id=class_id, class_handle_metadata=handle)
    return answer


def class_handle(world: World, record: ClassRecord) -> api_pb2.ClassHandleMetadata:
    """Empty before the app is published: until then, no one knows which service function is the class's."""
    app = world.app(record.app_id)
    function_id = app.function_ids.get(f"{record.name}.*", "") if record.name else ""
    if not function_id:
        return api_pb2.ClassHandleMetadata()
    handle = world.function(function_id).handle
    return api_pb2.ClassHandleMetadata(class_function_id=function_id, class_function_metadata=handle)


def lifecycle(app: AppRecord) -> api_pb2.AppLifecycle:
    return api_pb2.AppLifecycle(
        app_state=app.state,  # type: ignore[arg-type]
        created_at=app.created_at,
        created_by=app.created_by,
        deployed_at=app.deployed_at,
        deployed_by=USER if app.deployed_at else "",
        version=app.version,
        stopped_at=app.stopped_at,
        stopped_by=USER if app.stopped_at else "",
    )


def handle_of(world: World, app: AppRecord) -> api_pb2.AppHandleMetadata:
    answer = api_pb2.AppHandleMetadata(
        description=app.description,
        app_id=app.app_id,
        environment_name=app.environment,
        lifecycle=lifecycle(app),
    )
    for tag, function_id in app.function_ids.items():
        function = world.functions.get(function_id)
        part = answer.servers if function is not None and function.data.is_server else answer.functions
        part[tag] = function_id
    return answer
