"""Every fault, seen from a client: what it gets, and whether its request had its effect."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientError

from infra.localcloud.core.faults import FaultKind
from tests.localcloud.rest.fakes import QUEUE, Cloud

pytestmark = pytest.mark.anyio

CREATE = ("POST", "/v2/serverless", QUEUE)


async def inject(cloud: Cloud, **faults: dict[str, Any]) -> None:
    status, answer = await cloud.call("POST", "/_local/faults", faults)
    assert status == 200, answer


@pytest.mark.parametrize(
    ("fault", "status", "happened"),
    [
        ({"kind": "rate_limit", "seconds": 7}, 429, False),
        ({"kind": "server_error"}, 500, False),
        ({"kind": "server_error", "status": 503}, 503, False),
        ({"kind": "gone"}, 410, False),
        ({"kind": "lost_answer", "status": 502}, 502, True),
    ],
)
async def test_a_fault_answers_in_place_of_the_cloud(
    cloud: Cloud, fault: dict[str, Any], status: int, happened: bool
) -> None:
    await inject(cloud, f=fault | {"times": 1})
    got, problem = await cloud.call(*CREATE)
    assert got == problem["status"] == status
    assert cloud.headers is not None
    assert cloud.headers["Content-Type"].startswith("application/problem+json")
    if status == 429:
        assert cloud.headers["Retry-After"] == "7"
    assert len(cloud.store.endpoints()) == int(happened)
    assert (await cloud.call(*CREATE))[0] == 201, "struck once, gone"


@pytest.mark.parametrize(("kind", "happened"), [("drop_before", False), ("drop_after", True)])
async def test_a_dropped_connection(cloud: Cloud, kind: str, happened: bool) -> None:
    await inject(cloud, f={"kind": kind, "times": 1})
    with pytest.raises(ClientError):
        await cloud.call(*CREATE)
    assert len(cloud.store.endpoints()) == int(happened)
    assert len(cloud.fleet.applied) == int(happened)
    assert (await cloud.call(*CREATE))[0] == 201


async def test_a_dropped_answer_of_a_refusal_is_dropped_too(cloud: Cloud) -> None:
    await inject(cloud, f={"kind": "drop_after", "path": "/nowhere", "times": 1})
    with pytest.raises(ClientError):
        await cloud.call("GET", "/nowhere")


async def test_a_slow_answer_waits_on_the_clock(cloud: Cloud) -> None:
    await inject(cloud, f={"kind": "slow", "seconds": 30})
    call = asyncio.ensure_future(cloud.call("GET", "/v2/serverless"))
    await cloud.clock.asleep.wait()
    await cloud.clock.advance(29)
    assert not call.done()
    await cloud.clock.advance(1)
    assert (await call)[0] == 200


async def test_a_storm_passes_after_so_many_requests(cloud: Cloud) -> None:
    await inject(cloud, storm={"kind": "rate_limit", "times": 3})
    answers = [(await cloud.call("GET", "/v2/serverless"))[0] for _ in range(4)]
    assert answers == [429, 429, 429, 200]


async def test_a_fault_picks_its_method_and_path(cloud: Cloud) -> None:
    made = await cloud.make()
    path = f"/v2/serverless/{made['id']}"
    await inject(cloud, f={"kind": "server_error", "methods": ["patch"], "path": path})
    assert (await cloud.call("PATCH", path, {}))[0] == 500
    assert (await cloud.call("GET", path))[0] == 200
    assert (await cloud.call("PATCH", "/v2/serverless/abcdefghijklmn", {}))[0] == 404


async def test_faults_at_a_rate_strike_some(cloud: Cloud) -> None:
    cloud.settings.set("rate_limit=false")
    await inject(cloud, f={"kind": "server_error", "rate": 0.5})
    answers = [(await cloud.call("GET", "/v2/serverless"))[0] for _ in range(40)]
    assert 8 < answers.count(500) < 32
    assert answers.count(200) == 40 - answers.count(500)


async def test_faults_are_seen_counted_and_called_off(cloud: Cloud) -> None:
    await inject(cloud, a={"kind": "server_error", "times": 2, "path": "/v2/serverless"}, b={"kind": "crash"})
    await cloud.call("GET", "/v2/serverless")
    status, active = await cloud.call("GET", "/_local/faults")
    assert (status, active["a"]["times"], active["b"]["kind"]) == (200, 1, "crash")
    await inject(cloud)
    assert (await cloud.call("GET", "/_local/faults"))[1] == {}
    assert (await cloud.call("GET", "/v2/serverless"))[0] == 200


async def test_a_storm_on_everything_can_still_be_called_off(cloud: Cloud) -> None:
    await inject(cloud, f={"kind": "drop_before", "path": "/"})
    await inject(cloud)
    assert (await cloud.call("GET", "/v2/serverless"))[0] == 200


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ({"f": {"kind": "meteor"}}, "$.f.kind: Input should be"),
        ({"f": {"kind": "gone", "times": 0}}, "$.f.times: Input should be greater"),
        ({"f": {"kind": "gone", "where": "/"}}, "$.f.where: Extra inputs"),
        ({"f": {}}, "$.f.kind: Field required"),
    ],
)
async def test_faults_that_do_not_fit(cloud: Cloud, faults: dict[str, Any], error: str) -> None:
    status, problem = await cloud.call("POST", "/_local/faults", faults)
    assert status == 422
    assert problem["errors"][0].startswith(error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
async def test_faults_that_are_no_object(cloud: Cloud, body: bytes) -> None:
    assert (await cloud.call("POST", "/_local/faults", body))[0] == 400


async def test_faults_of_the_settings_come_into_force_and_stay_through_other_changes(cloud: Cloud) -> None:
    told: list[int] = []
    cloud.service.faults.on_change(lambda: told.append(1))
    cloud.settings.update({"faults": {"f": {"kind": "server_error", "times": 2}}})
    assert told == [1]
    assert (await cloud.call("GET", "/v2/serverless"))[0] == 500
    cloud.settings.set("rollout=instant")
    assert cloud.service.faults.active()["f"].times == 1
    assert cloud.service.faults.take({FaultKind.CRASH}, "POST", "/v2/x/boot") is None
