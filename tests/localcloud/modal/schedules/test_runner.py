"""Functions that the clock calls, on a clock that the test moves."""

import pickle
from dataclasses import replace
from pathlib import Path

from modal_proto import api_pb2

from infra.localcloud.modal.apps.lifecycle import stop_app
from infra.localcloud.modal.calls.book import FunctionCall
from infra.localcloud.modal.schedules.runner import Schedules
from tests.localcloud.modal.stage import Stage, play

EVERY_TEN = api_pb2.Schedule(period=api_pb2.Schedule.Period(seconds=10))
EVERY_MINUTE = api_pb2.Schedule(cron=api_pb2.Schedule.Cron(cron_string="* * * * *"))


async def deploy(
    stage: Stage, schedule: api_pb2.Schedule | None, state: int = api_pb2.APP_STATE_DEPLOYED
) -> None:
    """As publishing does it: records first, then those who want to know."""
    record = await stage.publish(max_containers=1)
    record = replace(record, data=api_pb2.FunctionData())
    record.data.CopyFrom(stage.world.functions["fu-1"].data)
    if schedule is not None:
        record.data.schedule.CopyFrom(schedule)
    stage.world.functions.put(record)
    app = stage.world.apps["ap-1"]
    app.state, app.deployed_at, app.function_ids = state, stage.clock.now(), {"f": "fu-1"}
    stage.world.apps.put(app)
    for listener in stage.world.app_listeners:
        listener(app)


def calls(stage: Stage) -> list[FunctionCall]:
    return list(stage.fleet.book.calls.values())


async def work(stage: Stage) -> None:
    """A container takes what waits, and answers."""
    actor = await stage.actor()
    for item in await actor.take():
        await actor.put(item, b"done")


def test_a_period_calls_without_arguments_and_a_redeploy_starts_it_anew(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        Schedules(stage.world)
        await deploy(stage, EVERY_TEN)
        await stage.clock.advance(9.9)
        assert calls(stage) == []
        await stage.clock.advance(0.2)
        (call,) = calls(stage)
        (item,) = call.inputs.values()
        assert (call.sync, pickle.loads(item.payload.args)) == (False, ((), {}))
        await work(stage)
        await stage.clock.advance(9)
        await deploy(stage, EVERY_TEN)
        await stage.clock.advance(9)
        assert len(calls(stage)) == 1
        await stage.clock.advance(1.1)
        assert len(calls(stage)) == 2

    play(tmp_path, test)


def test_a_deploy_without_a_schedule_ends_it_and_so_does_a_stop(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        schedules = Schedules(stage.world)
        await deploy(stage, EVERY_TEN)
        assert schedules.due() == {"fu-1": stage.clock.now() + 10}
        await deploy(stage, None)
        assert schedules.due() == {}
        await deploy(stage, EVERY_MINUTE)
        assert list(schedules.due()) == ["fu-1"]
        stop_app(stage.world, stage.world.apps["ap-1"])
        assert schedules.due() == {}
        await stage.clock.advance(300)
        assert calls(stage) == []

    play(tmp_path, test)


def test_an_app_of_modal_run_has_no_runs_of_its_own(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        schedules = Schedules(stage.world)
        await deploy(stage, EVERY_TEN, api_pb2.APP_STATE_EPHEMERAL)
        assert schedules.due() == {}

    play(tmp_path, test)


def test_a_restart_keeps_schedules_and_leaves_out_what_was_missed(tmp_path: Path) -> None:
    async def before(stage: Stage) -> None:
        Schedules(stage.world)
        await deploy(stage, EVERY_TEN)

    async def after(stage: Stage) -> None:
        app = stage.world.apps["ap-1"]
        deployed_at = app.deployed_at = stage.clock.now()
        app.function_ids = {"f": "fu-1"}
        await stage.clock.advance(7 * 24 * 3600 + 3)
        schedules = Schedules(stage.world)
        stage.fleet.open()
        schedules.open()
        await stage.clock.advance(0)
        assert calls(stage) == []
        await stage.clock.advance(7.1)
        assert len(calls(stage)) == 1
        assert schedules.due() == {"fu-1": deployed_at + 7 * 24 * 3600 + 20}

    play(tmp_path, before)
    play(tmp_path, after)


def test_after_a_long_sleep_of_the_machine_one_run_is_late_and_no_storm_follows(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        Schedules(stage.world)
        await deploy(stage, EVERY_TEN)
        asleep = 24 * 3600 + 1
        now = stage.clock.now
        stage.clock.now = lambda: now() + asleep  # type: ignore[method-assign]
        await stage.clock.advance(10.1)
        assert len(calls(stage)) == 1
        await work(stage)
        await stage.clock.advance(8)
        assert len(calls(stage)) == 1
        await stage.clock.advance(1)
        assert len(calls(stage)) == 2

    play(tmp_path, test)


def test_a_run_that_has_not_begun_takes_the_place_of_the_next(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        Schedules(stage.world)
        await deploy(stage, EVERY_TEN)
        await stage.clock.advance(100.5)
        assert len(calls(stage)) == 1
        await work(stage)
        await stage.clock.advance(10)
        assert len(calls(stage)) == 2

    play(tmp_path, test)


def test_a_function_that_takes_no_calls_is_left_alone(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        schedules = Schedules(stage.world)
        await deploy(stage, EVERY_TEN)
        record = stage.world.functions["fu-1"]
        record.stopped = True
        stage.world.functions.put(record)
        await stage.clock.advance(30)
        assert calls(stage) == []
        assert schedules.due()

    play(tmp_path, test)
