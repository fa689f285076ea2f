"""Apps read back: lists, details and tags."""

import re

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

from .layout import handle_of, lifecycle

# Stopped apps are shown for so long.
RECENT_S = 7 * 86_400.0


def rpcs(world: World) -> Rpcs:
    async def list_apps(request: api_pb2.AppListRequest, call: Call) -> api_pb2.AppListResponse:
        environment = world.environment(request.environment_name).name
        answer = api_pb2.AppListResponse()
        running = world.fleet.tasks(None)
        for app in sorted(world.apps.values(), key=lambda app: -app.created_at):
            if app.environment != environment:
                continue
            if not app.running and app.stopped_at < world.clock.now() - RECENT_S:
                continue
            answer.apps.add(
                app_id=app.app_id,
                description=app.description,
                state=app.state,
                created_at=app.created_at,
                stopped_at=app.stopped_at,
                n_running_tasks=sum(task.app_id == app.app_id for task in running),
                name=app.name,
                metadata=handle_of(world, app),
            )
        return answer

    async def info(request: api_pb2.AppGetInfoRequest, call: Call) -> api_pb2.AppGetInfoResponse:
        app = world.app(request.app_id)
        answer = api_pb2.AppGetInfoResponse(info=handle_of(world, app))
        for tag, function_id in app.function_ids.items():
            data = world.function(function_id).data
            summary = answer.function_info_summaries[tag]
            summary.gpu_config.extend(
                ranked.function.resources.gpu_config for ranked in data.ranked_functions
            )
            if data.HasField("schedule"):
                summary.schedule.CopyFrom(data.schedule)
            summary.web_function = bool(data.web_url)
            if data.web_url:
                summary.requires_proxy_auth = data.webhook_config.requires_proxy_auth
            summary.is_sessioned = data.is_sessioned
        return answer

    async def get_lifecycle(
        request: api_pb2.AppGetLifecycleRequest, call: Call
    ) -> api_pb2.AppGetLifecycleResponse:
        return api_pb2.AppGetLifecycleResponse(lifecycle=lifecycle(world.app(request.app_id)))

    async def get_tags(request: api_pb2.AppGetTagsRequest, call: Call) -> api_pb2.AppGetTagsResponse:
        return api_pb2.AppGetTagsResponse(tags=world.app(request.app_id).tags)

    async def set_tags(request: api_pb2.AppSetTagsRequest, call: Call) -> Empty:
        app = world.app(request.app_id)
        for key, value in request.tags.items():
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,63}", key) or len(value) > 63:
                raise invalid(
                    f"'{key}={value}' is no tag: at most 63 letters, digits, dashes, dots, underscores"
                )
        app.tags = dict(request.tags)
        world.apps.put(app)
        return Empty()

    return {
        "AppList": list_apps,
        "AppGetInfo": info,
        "AppGetLifecycle": get_lifecycle,
        "AppGetTags": get_tags,
        "AppSetTags": set_tags,
    }
