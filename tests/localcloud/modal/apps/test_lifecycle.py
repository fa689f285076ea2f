"""An app's life without a client process: whose apps end with it, who gets a name, what is not taken."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from grpclib.const import Status
from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal import apps
from infra.localcloud.modal.apps.lifecycle import SILENCE_S
from infra.localcloud.modal.rpc import Call, RpcError
from infra.localcloud.modal.world import Token, Urls, World
from tests.localcloud.modal.conftest import FakeFleet

EPHEMERAL, DEPLOYED = api_pb2.APP_STATE_EPHEMERAL, api_pb2.APP_STATE_DEPLOYED


class Room:
    """The apps room, asked directly."""

    def __init__(self, world: World, clock: ManualClock, fleet: FakeFleet) -> None:
        self.world, self.clock, self.fleet = world, clock, fleet
        self._rpcs = apps.rpcs(world)

    async def __call__(self, name: str, request):
        return await self._rpcs[name](request, Call(name, 1, "1.6.4", True, None, "", {}))

    async def app(self, state: int = api_pb2.APP_STATE_INITIALIZING) -> str:
        return (await self("AppCreate", api_pb2.AppCreateRequest(description="shop", app_state=state))).app_id

    async def define(self, app_id: str, existing: str = "", **fields) -> tuple[str, str]:
        """One function "f"; its id and its definition's."""
        function = api_pb2.Function(function_name="f", **fields)
        made = await self(
            "FunctionCreate",
            api_pb2.FunctionCreateRequest(app_id=app_id, function=function, existing_function_id=existing),
        )
        return made.function_id, made.handle_metadata.definition_id

    async def publish(self, app_id: str, function_id: str, definition_id: str, **fields):
        return await self(
            "AppPublish",
            api_pb2.AppPublishRequest(
                app_id=app_id,
                name="shop",
                function_ids={"f": function_id},
                definition_ids={function_id: definition_id},
                **{"app_state": DEPLOYED, **fields},
            ),
        )


def with_room(tmp_path: Path, scenario: Callable[[Room], Awaitable[None]]) -> None:
    async def run() -> None:
        clock, store = ManualClock(), Store(tmp_path / "state.sqlite")
        world = World(
            store,
            clock,
            Settings(),
            Faults(clock),
            None,
            tmp_path,
            Urls("", "http://w"),
            Token("ak-1", "as-1"),
        )
        world.fleet = fleet = FakeFleet()
        world.mounts, world.secrets = apps.ContentStore(world), apps.SecretStore(world)
        try:
            await scenario(Room(world, clock, fleet))
        finally:
            store.close()

    asyncio.run(run())


def test_an_app_of_a_client_that_fell_silent_is_stopped(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        run, deployed = await room.app(EPHEMERAL), await room.app()
        await room.publish(deployed, *await room.define(deployed))
        reaper = asyncio.ensure_future(apps.reap(room.world))
        await room.clock.advance(SILENCE_S - 1)
        await room("AppHeartbeat", api_pb2.AppHeartbeatRequest(app_id=run))
        await room.clock.advance(SILENCE_S - 16)
        assert room.world.apps[run].running
        await room.clock.advance(SILENCE_S)
        assert not room.world.apps[run].running
        assert room.world.apps[deployed].running
        assert room.fleet.stopped_apps == [run]
        reaper.cancel()

    with_room(tmp_path, scenario)


@pytest.mark.parametrize("state", [api_pb2.APP_STATE_DETACHED, api_pb2.APP_STATE_DETACHED_DISCONNECTED])
def test_a_detached_app_whose_client_is_gone_ends_with_its_work(tmp_path: Path, state: int) -> None:
    """Also one that an earlier run of the local cloud has left so."""

    async def scenario(room: Room) -> None:
        work = asyncio.Event()

        async def idle(app_id: str) -> None:
            await work.wait()

        room.fleet.idle = idle  # type: ignore[method-assign]
        detached = await room.app(state)
        reaper = asyncio.ensure_future(apps.reap(room.world))
        await room.clock.advance(2 * SILENCE_S)
        assert room.world.apps[detached].running
        work.set()
        await room.clock.advance(1)
        assert not room.world.apps[detached].running
        reaper.cancel()

    with_room(tmp_path, scenario)


def test_a_client_that_leaves_ends_its_run_and_no_deployed_app(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        run, detached, deployed = (
            await room.app(EPHEMERAL),
            await room.app(api_pb2.APP_STATE_DETACHED),
            await room.app(),
        )
        await room.publish(deployed, *await room.define(deployed))
        for app_id in (run, detached, deployed):
            await room("AppClientDisconnect", api_pb2.AppClientDisconnectRequest(app_id=app_id))
        assert [room.world.apps[key].running for key in (run, detached, deployed)] == [False, True, True]

    with_room(tmp_path, scenario)


def test_of_two_first_deploys_at_once_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        first, second = await room.app(), await room.app()
        await room.publish(first, *await room.define(first))
        with pytest.raises(RpcError) as refused:
            await room.publish(second, *await room.define(second))
        assert refused.value.status is Status.ABORTED
        assert "deploy it again" in refused.value.message
        assert room.world.deployed("shop", "main").app_id == first

    with_room(tmp_path, scenario)


def test_of_two_later_deploys_at_once_each_makes_a_version(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        app = await room.app()
        function_id, definition = await room.define(app)
        await room.publish(app, function_id, definition)
        _, one = await room.define(app, function_id, timeout_secs=10)
        _, two = await room.define(app, function_id, timeout_secs=20)
        await room.publish(app, function_id, one)
        assert room.world.function(function_id).function.timeout_secs == 10
        await room.publish(app, function_id, two)
        assert room.world.function(function_id).function.timeout_secs == 20
        assert room.world.apps[app].version == 3

    with_room(tmp_path, scenario)


def test_a_definition_takes_no_effect_before_it_is_published(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        app = await room.app()
        function_id, definition = await room.define(app, timeout_secs=10)
        await room.publish(app, function_id, definition)
        await room.define(app, function_id, timeout_secs=20)
        assert room.world.function(function_id).function.timeout_secs == 10

    with_room(tmp_path, scenario)


def test_mounts_in_another_order_are_no_change(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        app = await room.app()
        mounts = [
            (await room("MountGetOrCreate", api_pb2.MountGetOrCreateRequest(deployment_name=name))).mount_id
            for name in ("one", "two")
        ]
        function_id, definition = await room.define(app, mount_ids=mounts)
        assert (await room.publish(app, function_id, definition)).deployed_at
        _, again = await room.define(app, function_id, mount_ids=mounts[::-1])
        assert again != definition
        assert not (await room.publish(app, function_id, again)).deployed_at

    with_room(tmp_path, scenario)


def test_a_staged_version_waits_until_it_is_promoted(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        app = await room.app()
        function_id, definition = await room.define(app, timeout_secs=10)
        await room.publish(app, function_id, definition)
        _, staged = await room.define(app, function_id, timeout_secs=20)
        await room.publish(app, function_id, staged, staged=True)
        assert room.world.function(function_id).function.timeout_secs == 10
        await room("AppPromote", api_pb2.AppPromoteRequest(app_id=app, version=2))
        assert room.world.function(function_id).function.timeout_secs == 20
        assert room.world.apps[app].version == 3

    with_room(tmp_path, scenario)


def test_serve_publishes_again_and_keeps_its_state(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        app = await room.app(EPHEMERAL)
        function_id, definition = await room.define(app, timeout_secs=10)
        await room.publish(app, function_id, definition, app_state=EPHEMERAL)
        _, changed = await room.define(app, function_id, timeout_secs=20)
        await room.publish(app, function_id, changed, app_state=api_pb2.APP_STATE_UNSPECIFIED)
        assert room.world.apps[app].state == EPHEMERAL
        assert room.world.function(function_id).version == 2
        assert not len(room.world.deployments)

    with_room(tmp_path, scenario)


@pytest.mark.parametrize("name", ["/root/../../etc/passwd", "../a"])
def test_a_mount_cannot_lead_out_of_the_container(tmp_path: Path, name: str) -> None:
    async def scenario(room: Room) -> None:
        content = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        await room("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=content, data=b"hello"))
        file = api_pb2.MountFile(filename=name, sha256_hex=content)
        with pytest.raises(RpcError, match="leads out"):
            await room("MountGetOrCreate", api_pb2.MountGetOrCreateRequest(files=[file]))

    with_room(tmp_path, scenario)


def test_a_damaged_file_is_not_taken(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        with pytest.raises(RpcError, match="damaged"):
            await room("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex="0" * 64, data=b"hello"))
        asked = await room("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex="0" * 64))
        assert not asked.exists

    with_room(tmp_path, scenario)
