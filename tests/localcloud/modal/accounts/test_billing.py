"""What apps have cost, to the second and to the cent's fraction."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra import catalog
from infra.localcloud.modal.accounts import billing
from infra.localcloud.modal.model import EnvironmentRecord
from infra.localcloud.modal.rpc import Call, RpcError
from tests.localcloud.modal.stage import Stage, play

NOON = 1_799_928_000  # 2027-01-14 12:00:00 UTC
DAY = 86_400
L4 = api_pb2.Resources(milli_cpu=2000, memory_mb=4096, gpu_config=api_pb2.GPUConfig(gpu_type="L4", count=2))


def per_second(seconds: int) -> dict[str, Decimal]:
    prices = catalog.load().prices()
    return {
        "CPU": prices.usd_per_core_hour("modal") * 2 / 3600 * seconds,
        "Memory": prices.usd_per_gib_hour("modal") * 4 / 3600 * seconds,
        "GPU L4": prices.usd_per_gpu_hour("modal", "L4") * 2 / 3600 * seconds,
    }


async def run(stage: Stage, start: float, seconds: float, **changes: Any) -> None:
    """One container of the app from `start` on, as its end is written down."""
    await stage.clock.advance(max(0.0, start - stage.clock.now()))
    await stage.publish(resources=L4, min_containers=1, **changes)
    actor = await stage.actor(len(stage.actors.all) - 1)
    await actor.poll()
    await stage.clock.advance(seconds)
    await stage.publish(resources=L4, min_containers=0)
    stage.fleet.stop_task(actor.id, False)
    await actor.exit(0)


def at_noon(test: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    async def later(stage: Stage) -> None:
        stage.clock._now = NOON
        stage.world.meter.watch(stage.fleet.usage)
        await test(stage)

    return later


async def report(stage: Stage, start: int, end: int, **more: Any) -> list[api_pb2.WorkspaceBillingReportItem]:
    request = api_pb2.WorkspaceBillingReportRequest(
        start_timestamp=Timestamp(seconds=start), end_timestamp=Timestamp(seconds=end), **more
    )
    return [item async for item in ask(stage, "WorkspaceBillingReport", request)]


def ask(stage: Stage, method: str, request: Any) -> Any:
    return billing.rpcs(stage.world)[method](request, Call(method, 1, "1.6.4", True, None, "", {}))


def test_a_run_over_midnight_is_split_by_day_and_by_resource(tmp_path: Path) -> None:
    @at_noon
    async def test(stage: Stage) -> None:
        midnight = NOON + DAY // 2
        await run(stage, midnight - 100, 300)
        today, tomorrow = await report(stage, NOON - 3600, midnight + DAY)
        assert (today.object_id, today.description, today.environment_name) == ("ap-1", "shop", "main")
        assert (today.interval.seconds, tomorrow.interval.seconds) == (midnight - DAY, midnight)
        for item, seconds in ((today, 100), (tomorrow, 200)):
            wanted = {name: f"{usd:.8f}" for name, usd in per_second(seconds).items()}
            assert dict(item.cost_by_resource) == wanted
            assert abs(Decimal(item.cost) - sum(per_second(seconds).values())) < Decimal("0.00000002")

    play(tmp_path, test)


def test_a_report_by_the_hour_leaves_out_the_hour_that_goes_on(tmp_path: Path) -> None:
    @at_noon
    async def test(stage: Stage) -> None:
        await run(stage, NOON + 1800, 5400)
        hours = await report(stage, NOON, NOON + 7200, resolution="h")
        assert [(item.interval.seconds - NOON) // 3600 for item in hours] == [0, 1]
        part = await report(stage, NOON, NOON + 7199, resolution="h")
        assert [(item.interval.seconds - NOON) // 3600 for item in part] == [0]
        half = per_second(1800)["GPU L4"]
        assert [item.cost_by_resource["GPU L4"] for item in hours] == [f"{half:.8f}", f"{2 * half:.8f}"]

    play(tmp_path, test)


def test_what_still_runs_is_in_the_report(tmp_path: Path) -> None:
    @at_noon
    async def test(stage: Stage) -> None:
        await stage.publish(resources=L4, min_containers=1)
        await (await stage.actor()).poll()
        await stage.clock.advance(10)
        (item,) = await report(stage, NOON, NOON + DAY)
        assert item.cost_by_resource["CPU"] == f"{per_second(10)['CPU']:.8f}"

    play(tmp_path, test)


def test_a_report_is_of_the_environments_and_apps_asked_for_and_names_their_tags(tmp_path: Path) -> None:
    @at_noon
    async def test(stage: Stage) -> None:
        stage.world.apps["ap-1"].tags = {"team": "search", "cost": "low"}
        await run(stage, NOON, 60)
        main = stage.world.environment("main").environment_id
        (item,) = await report(stage, NOON, NOON + DAY, environment_ids=[main], tag_names=["team"])
        assert dict(item.tags) == {"team": "search"}
        (item,) = await report(stage, NOON, NOON + DAY, app_ids=["ap-1"], tag_names=["*"])
        assert dict(item.tags) == {"team": "search", "cost": "low"}
        assert await report(stage, NOON, NOON + DAY, app_ids=["ap-2"]) == []
        stage.world.environments.put(EnvironmentRecord("en-2", "stage", 0.0, "", ""))
        assert await report(stage, NOON, NOON + DAY, environment_ids=["en-2"]) == []
        with pytest.raises(RpcError, match="Environment 'en-no' not found"):
            await report(stage, NOON, NOON + DAY, environment_ids=["en-no"])
        with pytest.raises(RpcError, match="by day"):
            await report(stage, NOON, NOON + DAY, resolution="w")

    play(tmp_path, test)


def test_a_summary_is_of_one_month_and_of_one_environment(tmp_path: Path) -> None:
    @at_noon
    async def test(stage: Stage) -> None:
        february = 1_801_440_000  # 2027-02-01
        await run(stage, NOON, 60)
        await run(stage, february + 5, 30)
        request = api_pb2.WorkspaceBillingSummaryRequest()
        answer = await ask(stage, "WorkspaceBillingSummary", request)
        assert answer.start_timestamp.seconds == february
        assert answer.end_timestamp.seconds == february + 28 * DAY
        assert answer.metered_cost_breakdown["GPU L4"] == f"{per_second(30)['GPU L4']:.8f}"
        assert answer.billed_cost == answer.metered_cost
        request.start_timestamp.seconds = february - 31 * DAY
        answer = await ask(stage, "WorkspaceBillingSummary", request)
        assert answer.metered_cost_breakdown["Memory"] == f"{per_second(60)['Memory']:.8f}"
        elsewhere = api_pb2.EnvironmentBillingSummaryRequest(
            environment_id=stage.world.environment("main").environment_id
        )
        stage.world.apps["ap-1"].environment = "other"
        assert Decimal((await ask(stage, "EnvironmentBillingSummary", elsewhere)).metered_cost) == 0

    play(tmp_path, test)


def test_rates_are_those_of_the_price_book(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        answer = await ask(stage, "WorkspaceBillingRates", api_pb2.WorkspaceBillingRatesRequest())
        prices = catalog.load().prices()
        assert Decimal(answer.rates["GPU H100"]) == prices.usd_per_gpu_hour("modal", "H100")
        assert Decimal(answer.rates["CPU core"]) == prices.usd_per_core_hour("modal")
        assert "GPU H100" in answer.formatted

    play(tmp_path, test)
