"""What became of a call: its inputs by how they ended, and the calls that they made in turn."""

from collections import defaultdict

from modal_proto import api_pb2

from infra.localcloud.modal.calls.book import FunctionCall, Input
from infra.localcloud.modal.calls.submit import known_call
from infra.localcloud.modal.containers.fleet import LocalFleet, local_fleet
from infra.localcloud.modal.rpc import Call, Rpcs
from infra.localcloud.modal.world import World

Result = api_pb2.GenericResult
MOST_INPUTS = 1000  # of a graph


def rpcs(world: World) -> Rpcs:
    async def info(
        request: api_pb2.FunctionCallGetInfoRequest, call: Call
    ) -> api_pb2.FunctionCallGetInfoResponse:
        wanted = known_call(local_fleet(world), request.function_call_id)
        totals: dict[str, int] = defaultdict(int)
        for item in wanted.inputs.values():
            totals[_category(item)] += 1
        found = api_pb2.FunctionCallInfo(
            function_call_id=wanted.id, created_at=wanted.created_at, total_inputs=len(wanted.inputs)
        )
        for category, total in totals.items():
            getattr(found, category).total = total
        return api_pb2.FunctionCallGetInfoResponse(info=found)

    async def graph(
        request: api_pb2.FunctionGetCallGraphRequest, call: Call
    ) -> api_pb2.FunctionGetCallGraphResponse:
        """The call that is asked for is the root, whoever made it."""
        fleet = local_fleet(world)
        root = known_call(fleet, request.function_call_id)
        answer = api_pb2.FunctionGetCallGraphResponse()
        for each in _family(fleet, root):
            function = world.function(each.function_id).function
            answer.function_calls.add(
                function_call_id=each.id,
                parent_input_id="" if each is root else each.parent_input_id,
                function_name=function.function_name,
                module_name=function.module_name,
            )
            for item in each.inputs.values():
                if len(answer.inputs) == MOST_INPUTS:
                    answer.truncated = True
                    return answer
                answer.inputs.add(
                    input_id=item.id,
                    status=item.output.result.status if item.output else Result.GENERIC_STATUS_UNSPECIFIED,
                    function_call_id=each.id,
                    task_id=item.task_id,
                )
        return answer

    return {"FunctionCallGetInfo": info, "FunctionGetCallGraph": graph}


def _family(fleet: LocalFleet, root: FunctionCall) -> list[FunctionCall]:
    """The call, those of its inputs, and so on, each after the one that made it."""
    made_by: dict[str, list[FunctionCall]] = defaultdict(list)
    for call in fleet.book.calls.values():
        if call.parent_input_id and not call.transient:
            made_by[call.parent_input_id].append(call)
    found = [root]
    for call in found:
        found.extend(
            child for item in call.inputs.values() for child in made_by[item.id] if child is not root
        )
    return found


def _category(item: Input) -> str:
    if item.output is None:
        return "pending_inputs"
    status = item.output.result.status
    if status == Result.GENERIC_STATUS_SUCCESS:
        return "succeeded_inputs"
    if status == Result.GENERIC_STATUS_TIMEOUT:
        return "timeout_inputs"
    return "cancelled_inputs" if status == Result.GENERIC_STATUS_TERMINATED else "failed_inputs"
