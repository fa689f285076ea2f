"""What a pod's status says while its container comes, runs, ends and crashes. Containers are played."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from infra.localcloud.core.faults import Fault, FaultKind
from infra.localcloud.runpod.model import LogLine, PodStatus
from infra.localcloud.runpod.pods.pod import CRASHES, RESTART_S, STEADY_S, STOCK_S, STOP_GRACE_S
from tests.localcloud.pods.conftest import Test, World

Played = Callable[[Test], None]


def test_a_pod_comes_up_and_a_training_pod_ends(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        assert world.view.status is PodStatus.PROVISIONING
        container = await world.started()
        assert world.view.started_at == world.clock.now()
        container.exit(0)
        view = await world.status(PodStatus.EXITED)
        assert (view.exit_code, view.reason) == (0, "")
        assert world.ended == [world.record.id]
        await world.apply(name="renamed")
        await world.clock.advance(100)
        assert (world.view.status, len(world.stage.containers)) == (PodStatus.EXITED, 1)

    played(test)


def test_an_ended_pod_starts_again_when_asked(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        await world.started()
        for count, again in enumerate(("restart", "version", "stopped in between"), 2):
            world.last.exit(0)
            await world.status(PodStatus.EXITED)
            if again == "restart":
                await world.pods.restart(world.record.id)
            elif again == "version":
                await world.apply(version=2, args="more")
            else:
                await world.apply(running=False)
                assert world.view.exit_code == 0
                await world.apply(running=True)
            await world.started(count)
            assert world.view.exit_code is None

    played(test)


def test_stop_and_start(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        container = await world.started()
        await world.apply(running=False)
        assert world.view.status is PodStatus.EXITED
        assert await container.exited == -15
        assert world.ended == [], "it was stopped, it did not end"
        await world.apply(running=True)
        await world.started(2)

    played(test)


def test_one_that_does_not_listen_is_killed_and_the_next_waits_for_that(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        container = await world.started()
        container.stubborn = True
        await world.apply(running=False)
        await world.apply(running=True)
        await world.until(lambda: container.signals)
        await world.clock.advance(STOP_GRACE_S - 0.1)
        assert (container.signals, len(world.stage.containers)) == (["TERM"], 1)
        await world.clock.advance(0.2)
        assert container.signals == ["TERM", "KILL"]
        await world.started(2)

    played(test)


def test_a_change_that_needs_it_restarts_and_another_does_not(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        first = await world.started()
        await world.apply(name="other", disk_gib=30)
        await world.apply(version=2, env={"A": "1"})
        second = await world.started(2)
        assert (first.exited.done(), second.env["A"]) == (True, "1")

    played(test)


def test_crashes_are_restarted_then_it_is_an_error(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        for crash in range(1, CRASHES + 1):
            container = await world.started(crash)
            container.log.feed(b"out of memory\n", world.clock.now())
            container.exit(3)
            if crash < CRASHES:
                await world.status(PodStatus.STARTING)
                assert world.view.reason == "the container exited with code 3: out of memory"
                assert world.ended == []
                await world.clock.advance(RESTART_S * 2 ** (crash - 1))
        view = await world.status(PodStatus.ERROR)
        assert view.reason == "the container exited with code 3 (3 times in a row): out of memory"
        assert view.exit_code == 3
        assert world.ended == [world.record.id]

    played(test)


def test_ports_stay_the_same_over_restarts(played: Played) -> None:
    async def test(world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            inside = server.getsockname()[1]
        await world.apply(ports=(f"{inside}/http", "70000/tcp"))
        first = await world.started()
        mapping = world.view.ports
        first.exit(1)
        await world.status(PodStatus.STARTING)
        assert world.view.ports == {}
        await world.clock.advance(RESTART_S)
        second = await world.started(2)
        assert world.view.ports == mapping
        assert second.env["RUNPOD_TCP_PORT_70000"] == str(mapping["70000/tcp"])
        await world.apply(running=False)
        await second.exited
        with socket.create_server(("127.0.0.1", mapping[f"{inside}/http"])):
            await world.apply(running=True)
            await world.started(3)
            assert set(world.view.ports) == set(mapping)
            assert world.view.ports != mapping

    played(test)


def test_a_crash_after_a_long_run_counts_from_the_beginning(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        for crash in range(1, CRASHES + 3):
            container = await world.started(crash)
            await world.clock.advance(STEADY_S + 1)
            container.exit(1)
            await world.status(PodStatus.STARTING)
            await world.clock.advance(RESTART_S)
        await world.started(CRASHES + 3)

    played(test)


def test_an_image_that_is_refused_is_an_error_with_the_reason(played: Played) -> None:
    async def test(world: World) -> None:
        world.images.refused = "docker.io/busybox is not in the local registry"
        await world.apply()
        view = await world.status(PodStatus.ERROR)
        assert view.reason == world.images.refused
        assert [line.line for line in await world.lines(follow=True)] == [world.images.refused]
        world.images.refused = ""
        await world.pods.restart(world.record.id)
        await world.started()

    played(test)


def test_what_nobody_thought_of_is_an_error_too(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        def fail(*rest: object) -> None:
            raise RuntimeError("out of luck")

        with monkeypatch.context() as patched:
            patched.setattr(world.images, "resolve", fail)
            await world.apply()
            assert (await world.status(PodStatus.ERROR)).reason == "cannot run here: out of luck"
        await world.pods.restart(world.record.id)
        await world.started()

    played(test)


def test_no_stock_keeps_it_provisioning_until_there_is(played: Played) -> None:
    async def test(world: World) -> None:
        world.stock.append("no NVIDIA L4 is free in EU-RO-1")
        await world.apply()
        await world.until(lambda: world.view.reason)
        await world.clock.advance(STOCK_S)
        assert (world.view.status, world.view.reason) == (PodStatus.PROVISIONING, world.stock[-1])
        world.stock.clear()
        await world.clock.advance(STOCK_S)
        await world.started()
        assert world.view.reason == ""
        lines = [line.line for line in await world.lines()]
        assert lines.count("no NVIDIA L4 is free in EU-RO-1") == 1

    played(test)


def test_stopped_while_it_waits_for_a_machine(played: Played) -> None:
    async def test(world: World) -> None:
        world.stock.append("none free")
        await world.apply()
        await world.until(lambda: world.view.reason)
        await world.apply(running=False)
        world.stock.clear()
        await world.clock.advance(10 * STOCK_S)
        assert (world.view.status, world.view.reason) == (PodStatus.EXITED, "")
        assert world.stage.containers == []

    played(test)


def test_stopped_at_the_moment_of_its_start(played: Played) -> None:
    async def test(world: World) -> None:
        world.stage.meanwhile = lambda: world.pods._pods[world.record.id].stop()
        await world.apply()
        container = await world.until(lambda: world.stage.containers and world.last)
        assert await container.exited == -15
        await world.clock.advance(60)
        assert (world.view.status, world.view.ports) == (PodStatus.EXITED, {})
        assert len(world.stage.containers) == 1

    played(test)


def test_faults_befall_pods(played: Played) -> None:
    async def test(world: World) -> None:
        path = f"/v2/pods/{world.record.id}"
        world.faults.replace(
            {
                "stock": Fault(kind=FaultKind.STOCK_OUT, path=path, times=1),
                "slow": Fault(kind=FaultKind.SLOW_BOOT, path=path, times=1, seconds=40),
                "crash": Fault(kind=FaultKind.CRASH, path=path, times=1),
                "other": Fault(kind=FaultKind.STOCK_OUT, path="/v2/pods/another"),
            }
        )
        await world.apply()
        await world.until(lambda: world.view.reason == "no machine is free now")
        await world.clock.advance(STOCK_S)
        await world.clock.advance(39)
        assert world.stage.containers == []
        await world.clock.advance(1)
        await world.until(lambda: world.view.status is PodStatus.STARTING and world.view.reason)
        assert world.view.reason == "the container was killed by signal 9"
        await world.clock.advance(RESTART_S)
        await world.started(2)

    played(test)


def test_many_changes_at_once_leave_what_was_wanted_last(played: Played) -> None:
    async def test(world: World) -> None:
        for count in range(20):
            await world.apply(running=count % 2 == 0, version=count)
            await world.pods.restart(world.record.id) if count % 5 == 4 else await asyncio.sleep(0)
        await world.apply(running=True, version=100, env={"LAST": "yes"})
        await world.until(lambda: world.stage.containers and world.last.env.get("LAST"))
        await world.status(PodStatus.RUNNING)
        assert [box for box in world.stage.containers if not box.exited.done()] == [world.last]
        await world.apply(running=False)
        await world.last.exited
        await world.clock.advance(1000)
        assert world.view.status is PodStatus.EXITED
        assert all(box.exited.done() for box in world.stage.containers)

    played(test)


def test_a_removed_pod_is_unknown_and_its_disks_are_gone(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply(persistent=(20, "/workspace"))
        container = await world.started()
        container.stubborn = True
        removing = asyncio.ensure_future(world.pods.remove(world.record.id))
        await world.until(lambda: container.signals or True)
        while not removing.done():
            await world.clock.advance(0.01)
        await removing
        assert container.exited.done()
        with pytest.raises(KeyError):
            world.pods.view(world.record.id)
        assert list((world.state / "pods").iterdir()) == []
        assert not (world.state / "logs" / world.record.id).exists()
        await world.pods.remove(world.record.id)

    played(test)


@pytest.mark.parametrize("pod_id", ["", "..", "../x", "a/b", ".hidden"])
def test_an_id_names_nothing_outside(played: Played, pod_id: str) -> None:
    async def test(world: World) -> None:
        with pytest.raises(ValueError, match="cannot be the id"):
            await world.apply(id=pod_id)

    played(test)


def test_what_was_wanted_is_started_after_a_restart_of_the_daemon(played: Played) -> None:
    async def runs(world: World) -> None:
        await world.apply()
        await world.started()

    async def ends(world: World) -> None:
        await world.apply()
        (await world.started()).exit(0)
        await world.status(PodStatus.EXITED)

    async def has_ended(world: World) -> None:
        await world.apply()
        await world.clock.advance(60)
        assert (world.view.status, world.view.exit_code, world.stage.containers) == (PodStatus.EXITED, 0, [])
        await world.apply(version=2)
        await world.started()

    async def runs_again(world: World) -> None:
        await world.apply(version=2)
        await world.started()

    for test in (runs, ends, has_ended, runs_again):
        played(test)


def test_an_error_is_kept_over_a_restart_of_the_daemon(played: Played) -> None:
    async def fails(world: World) -> None:
        world.images.refused = "it is not there"
        await world.apply()
        await world.status(PodStatus.ERROR)

    async def has_failed(world: World) -> None:
        await world.apply()
        assert (world.view.status, world.view.reason) == (PodStatus.ERROR, "it is not there")

    played(fails)
    played(has_failed)


def test_lines_keep_their_numbers_over_restarts(played: Played) -> None:
    async def first(world: World) -> None:
        await world.apply()
        (await world.started()).log.feed("one\nzwei ü\nhalf".encode(), world.clock.now())
        world.last.exit(0)
        await world.status(PodStatus.EXITED)
        lines = await world.lines(follow=True)
        assert [line.line for line in lines if line.source == "container"] == ["one", "zwei ü", "half"]
        seen.extend(lines)

    async def second(world: World) -> None:
        await world.apply()
        assert await world.lines() == seen
        await world.pods.restart(world.record.id)
        container = await world.started()
        await world.clock.advance(1)
        container.log.feed(b"four\n", world.clock.now())
        fresh = await world.lines(after=(seen[-1].ts, seen[-1].seq))
        assert [line.line for line in fresh if line.source == "container"] == ["four"]
        numbers = [line.seq for line in await world.lines()]
        assert numbers == list(range(1, len(numbers) + 1))

    seen: list[LogLine] = []
    played(first)
    played(second)


def test_a_follower_gets_what_comes_and_is_let_go_at_the_end(played: Played) -> None:
    async def test(world: World) -> None:
        await world.apply()
        container = await world.started()
        following = asyncio.ensure_future(world.said())
        container.log.feed(b"step 1\n", world.clock.now())
        container.exit(1)
        await world.status(PodStatus.STARTING)
        await world.clock.advance(RESTART_S)
        again = await world.started(2)
        assert not following.done()
        again.log.feed(b"step 2\n", world.clock.now())
        again.exit(0)
        assert await following == ["step 1", "step 2"]

    played(test)
