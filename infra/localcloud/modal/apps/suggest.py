"""What the CLI proposes for a name that it was given and that is not there."""

import difflib

from modal_proto import api_pb2

from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World


def rpcs(world: World) -> Rpcs:
    async def objects(request: api_pb2.ObjectSuggestRequest, call: Call) -> api_pb2.ObjectSuggestResponse:
        environment = world.environment(request.environment_name).name
        known: dict[str, tuple[str, str]] = {}
        for app in world.apps.values():
            if app.environment != environment or not app.running or not app.name:
                continue
            if request.kind == api_pb2.ObjectSuggestRequest.OBJECT_SUGGEST_KIND_APP:
                known[app.name] = ("", app.name)
                continue
            wants_servers = request.kind == api_pb2.ObjectSuggestRequest.OBJECT_SUGGEST_KIND_SERVER
            for tag, function_id in app.function_ids.items():
                if world.function(function_id).data.is_server == wants_servers:
                    known[f"{app.name}/{tag}"] = (app.name, tag)
        answer = api_pb2.ObjectSuggestResponse()
        for name in difflib.get_close_matches(request.query, known, n=request.limit or 3, cutoff=0.5):
            app_name, object_name = known[name]
            answer.suggestions.add(app_name=app_name, object_name=object_name)
        return answer

    async def commands(
        request: api_pb2.CliCommandSuggestRequest, call: Call
    ) -> api_pb2.CliCommandSuggestResponse:
        """The client has suggestions of its own."""
        return api_pb2.CliCommandSuggestResponse()

    return {"ObjectSuggest": objects, "CliCommandSuggest": commands}
