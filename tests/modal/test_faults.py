"""What goes wrong between us and Modal: refusals in the user's words, killed runs taken up, secrets never shown."""

import asyncio
import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from infra.localcloud.modal.rpc import RpcError
from infra.localcloud.modal.world import Token
from infra.modal import deployment
from tests.modal.engine import Failed
from tests.modal.world import SEARCH, World, project

pytestmark = pytest.mark.anyio

CALLS = [
    "AppGetByDeploymentName",
    "AppCreate",
    "FunctionPrecreate",
    "ImageGetOrCreate",
    "MountGetOrCreate",
    "FunctionCreate",
    "ClassCreate",
    "AppPublish",
    "AppGetInfo",
    "AppDeploymentHistory",
    "FunctionGetById",
]
"""Of a first deployment and what is read after it."""


async def test_a_wrong_token_says_where_it_came_from(world: World) -> None:
    world.token = Token("ak-test", "as-wrong-canary")
    await world.restart()
    with pytest.raises(Failed) as caught:
        await world.engine.up("App/search", SEARCH)
    text = str(caught.value)
    assert "does not accept the token" in text
    assert "the token came from the test" in text
    assert "canary" not in text
    assert "Traceback" not in text


async def test_an_unknown_environment_is_named(world: World) -> None:
    with pytest.raises(Failed, match="'nowhere' not found"):
        await world.engine.up("App/search", SEARCH | {"environment": "nowhere"})


async def test_a_secret_that_is_not_there_or_lacks_a_key_is_named(world: World) -> None:
    needs: dict[str, Any] = {"Search": {"secrets": [{"name": "store", "requiredKeys": ["KEY", "OTHER"]}]}}
    with pytest.raises(Failed, match="'store' not found"):
        await world.engine.up("App/search", SEARCH | {"classes": needs})
    await world.engine.up("Secret/store", {"name": "store", "values": {"KEY": "v"}})
    with pytest.raises(Failed, match=r"missing key\(s\): OTHER"):
        await world.engine.up("App/search", SEARCH | {"classes": needs})
    assert world.app("search") is None
    assert "App/search" not in world.engine.state


async def test_a_run_killed_after_the_deployment_is_taken_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app is there and nobody has its id: the next run adopts it and deploys nothing."""
    deploy = deployment.deploy

    async def killed(*args: Any) -> str:
        await deploy(*args)
        raise KeyboardInterrupt

    async def dies(*args: Any) -> str:
        try:
            return await killed(*args)
        except KeyboardInterrupt:
            raise RuntimeError("the process is gone") from None

    monkeypatch.setattr(deployment, "deploy", dies)
    with pytest.raises(Failed):
        await world.engine.up("App/search", SEARCH)
    monkeypatch.undo()
    assert "App/search" not in world.engine.state
    app_id = world.app("search").app_id
    await world.restart()
    world.calls.clear()
    assert await world.engine.up("App/search", SEARCH) == "create"
    assert world.engine.state["App/search"].id == app_id
    assert "AppPublish" not in world.calls


async def test_a_run_killed_during_a_replacement_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.engine.up("App/search", SEARCH)
    deploy = deployment.deploy

    async def dies(*args: Any) -> str:
        await deploy(*args)
        raise RuntimeError("the process is gone")

    monkeypatch.setattr(deployment, "deploy", dies)
    with pytest.raises(Failed):
        await world.engine.up("App/search", SEARCH | {"name": "find"})
    monkeypatch.undo()
    assert world.app("find") is not None
    _forget_process(world)
    await world.restart()
    assert await world.engine.up("App/search", SEARCH | {"tags": {"a": "b"}}) == "update"
    running = [app.name for app in world.modal.apps.values() if app.running]
    assert running == ["search"]


async def test_two_first_deployments_of_one_name_at_once_leave_one_app_of_one_owner(
    world: World, tmp_path: Path
) -> None:
    """Two checkouts that know nothing of each other."""
    other_root = project(tmp_path / "other")
    async with World.beside(other_root, world.modal, world.url, world.token) as other:
        results = await asyncio.gather(
            world.engine.up("App/search", SEARCH | {"tags": {"of": "one"}}),
            other.engine.up("App/search", SEARCH | {"tags": {"of": "two"}}),
            return_exceptions=True,
        )
        refused = [result for result in results if isinstance(result, Failed)]
        assert len(refused) == 1, results
        assert re.search("in the meantime|pulumi import", str(refused[0]))
        (app,) = [app for app in world.modal.apps.values() if app.name == "search" and app.running]
        winner, loser, tag = (world, other, "one") if results[0] == "create" else (other, world, "two")
        assert app.tags["of"] == tag
        assert winner.engine.state["App/search"].id == app.app_id
        with pytest.raises(Failed, match="pulumi import"):
            await loser.engine.up("App/search", SEARCH)
        assert app.tags["of"] == tag


async def test_two_updates_of_one_app_at_once_end_as_one_of_them(world: World) -> None:
    await world.engine.up("App/search", SEARCH)
    state = world.engine.state["App/search"]
    async with World.beside(world.root, world.modal, world.url, world.token) as other:
        other.engine.state["App/search"] = dataclasses.replace(state)
        changes = [SEARCH | {"env": {"A": "1"}}, SEARCH | {"env": {"B": "2"}, "tags": {"b": "2"}}]
        results = await asyncio.gather(
            world.engine.up("App/search", changes[0]),
            other.engine.up("App/search", changes[1]),
            return_exceptions=True,
        )
    assert set(results) <= {"update"} or any(isinstance(result, Failed) for result in results), results
    entry = await world.engine.refresh("App/search")
    assert entry is not None
    module = entry.plain["module"]
    given = [(await world.engine.check("App/search", change))["module"] for change in changes]
    assert module in given
    (mounted,) = {
        file.filename
        for mount_id in world.function("search", "Search.*").function.mount_ids
        for file in world.modal.mount_records[mount_id].files
    }
    assert mounted == f"/root/{module}.py"
    assert await world.engine.up("App/search", changes[0]) in ("same", "update")
    assert await world.engine.up("App/search", changes[0]) == "same"


async def test_a_failed_build_says_what_failed(world: World) -> None:
    image = {"pip": ["shop-words @ file:///nowhere/words-1.0-py3-none-any.whl"]}
    with pytest.raises(Failed) as caught:
        await world.engine.up("App/search", SEARCH | {"image": image})
    assert "words-1.0" in str(caught.value)
    assert "image's packages and commands" in str(caught.value)
    assert "App/search" not in world.engine.state


async def test_code_that_changes_between_check_and_deployment_is_refused(world: World) -> None:
    inputs = await world.engine.check("App/search", SEARCH)
    world.write("search/model.py", (world.root / "search" / "model.py").read_text() + "\n# later\n")
    with pytest.raises(Failed, match="changed since it was checked"):
        await world.engine._create("App/search", inputs, 0)
    assert world.app("search") is None


async def test_secret_values_reach_modal_and_nothing_else(world: World) -> None:
    from infra.kit.wire import Secret as Hidden

    canary = "canary-value-42"
    await world.engine.up("Secret/store", {"name": "store", "values": Hidden({"KEY": canary})})
    (record,) = world.modal.secret_records.values()
    assert record.values["KEY"] == canary
    entry = world.engine.state["Secret/store"]
    assert isinstance(entry.outputs["values"], Hidden)
    kept = [path.read_text() for path in (world.root / ".pilotlight").rglob("*") if path.is_file()]
    assert canary not in "".join([*kept, *world.link.said, *world.link.warned])


def _forget_process(world: World) -> None:
    """A killed process has another id than the one that comes after it."""
    for path in (world.root / ".pilotlight" / "journal").glob("*.jsonl"):
        path.write_text(re.sub(rf'"pid":{os.getpid()}\b', '"pid":0', path.read_text()))


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_that_fails_once_leaves_one_app_after_the_next_run(world: World, method: str) -> None:
    handlers = world.modal.server._handlers
    handler = handlers[method]

    async def fails(request: Any, call: Any) -> Any:
        handlers[method] = handler
        raise RpcError(Status.FAILED_PRECONDITION, "not now")

    handlers[method] = fails
    with pytest.raises(Failed, match="not now"):
        await world.engine.up("App/search", SEARCH)
    if "App/search" in world.engine.state:  # it is there, and not ready
        assert await world.engine.up("App/search", SEARCH) == "update"
    else:
        assert await world.engine.up("App/search", SEARCH) == "create"
    assert [app.version for app in world.modal.apps.values() if app.running] == [1]
    assert world.engine.state["App/search"].id == world.app("search").app_id
    assert await world.engine.up("App/search", SEARCH) == "same"
