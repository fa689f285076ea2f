"""Containers, as clients list and stop them."""

from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World


def rpcs(world: World) -> Rpcs:
    async def list_tasks(request: api_pb2.TaskListRequest, call: Call) -> api_pb2.TaskListResponse:
        environment = world.environment(request.environment_name).name
        answer = api_pb2.TaskListResponse()
        for task in world.fleet.tasks(request.app_id or None):
            if not request.app_id and task.environment != environment:
                continue
            app = world.apps.get(task.app_id)
            answer.tasks.add(
                task_id=task.task_id,
                app_id=task.app_id,
                app_description=app.description if app else "",
                started_at=task.started_at,
                enqueued_at=task.enqueued_at,
            )
        return answer

    async def info(request: api_pb2.TaskGetInfoRequest, call: Call) -> api_pb2.TaskGetInfoResponse:
        task = world.fleet.task(request.task_id)
        if task is None:
            raise not_found(f"Container '{request.task_id}' not found")
        gpu = api_pb2.GPUConfig(gpu_type=task.gpu_type, count=task.gpu_count)
        return api_pb2.TaskGetInfoResponse(
            app_id=task.app_id,
            info=api_pb2.TaskInfo(
                id=task.task_id,
                started_at=task.started_at,
                finished_at=task.finished_at,
                enqueued_at=task.enqueued_at,
                gpu_type=task.gpu_type,
                gpu_config=gpu if task.gpu_count else None,
            ),
        )

    async def stop(request: api_pb2.ContainerStopRequest, call: Call) -> api_pb2.ContainerStopResponse:
        task_id = request.task_id or call.task_id or ""
        if not world.fleet.stop_task(task_id, request.graceful) and world.fleet.task(task_id) is None:
            raise not_found(f"Container '{task_id}' not found")
        return api_pb2.ContainerStopResponse()

    return {"TaskList": list_tasks, "TaskGetInfo": info, "ContainerStop": stop}
