"""A container that asks for inputs again, because it never saw the answer."""

from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.modal.rpc import Call
from tests.localcloud.modal.stage import Actor, Stage, play


async def take(stage: Stage, actor: Actor, key: str) -> list[str]:
    """The ids of the inputs that it is given now."""
    call = Call("FunctionGetInputs", 3, "1.6.4", True, actor.id, key, {})
    answer = await stage._rpcs["FunctionGetInputs"](api_pb2.FunctionGetInputsRequest(), call)  # type: ignore[misc]
    return [item.input_id for item in answer.inputs]  # type: ignore[attr-defined]


def test_the_same_request_gets_the_same_input_while_it_runs(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1)
        await stage.call(b"1", b"2", many=True)
        actor = await stage.actor()
        first = await take(stage, actor, "a")
        assert await take(stage, actor, "a") == first
        second = await take(stage, actor, "b")
        assert second != first
        assert len(stage.fleet.living()[0].running) == 2

    play(tmp_path, test)


def test_an_input_that_is_done_is_not_given_again(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1)
        await stage.call(b"1", b"2", many=True)
        actor = await stage.actor()
        (first,) = await take(stage, actor, "a")
        await actor.put(api_pb2.FunctionGetInputsItem(input_id=first))
        assert await take(stage, actor, "a") != [first]

    play(tmp_path, test)


def test_requests_without_a_key_are_never_the_same(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.publish(max_containers=1)
        await stage.call(b"1", b"2", many=True)
        actor = await stage.actor()
        assert await take(stage, actor, "") != await take(stage, actor, "")

    play(tmp_path, test)
