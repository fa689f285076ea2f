"""What the official entrypoint is told: the function, its parameters, and the app that it belongs to."""

from modal_proto import api_pb2

from infra.localcloud.modal.apps import layout
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.world import World


def container_arguments(world: World, container: Container) -> api_pb2.ContainerArguments:
    record = container.record
    return api_pb2.ContainerArguments(
        task_id=container.id,
        function_id=record.function_id,
        app_id=record.app_id,
        function_def=record.function,
        serialized_params=record.serialized_params,
        environment_name=container.environment,
        app_layout=_layout(world, container),
    )


def _layout(world: World, container: Container) -> api_pb2.AppLayout:
    """All that the code may name: the app's functions and classes, and every object that the function depends on."""
    answer = layout(world, container.record.app_id)
    known = {item.object_id for item in answer.objects}
    for dependency in container.record.function.object_dependencies:
        if dependency.object_id not in known:
            known.add(dependency.object_id)
            answer.objects.append(_object(world, dependency.object_id))
    return answer


def _object(world: World, object_id: str) -> api_pb2.Object:
    function = world.functions.get(object_id)
    if function is not None:
        return api_pb2.Object(object_id=object_id, function_handle_metadata=function.handle)
    if object_id in world.classes:
        return api_pb2.Object(object_id=object_id, class_handle_metadata=api_pb2.ClassHandleMetadata())
    if object_id.startswith("vo-"):
        version = api_pb2.VOLUME_FS_VERSION_V2
        return api_pb2.Object(object_id=object_id, volume_metadata=api_pb2.VolumeMetadata(version=version))
    if object_id.startswith("mo-"):
        return api_pb2.Object(object_id=object_id, mount_handle_metadata=api_pb2.MountHandleMetadata())
    return api_pb2.Object(object_id=object_id)
