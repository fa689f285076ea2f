"""The log stream: backfill, following, resuming."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientResponse

from infra.localcloud.runpod.model import LogLine
from infra.localcloud.runpod.rest.logs import KEEP_ALIVE_S
from tests.localcloud.rest.fakes import KEY, Cloud, worker

pytestmark = pytest.mark.anyio

T0 = 1_800_000_000.0
LINES = [
    LogLine(T0, 1, "system", "starting"),
    LogLine(T0 + 0.1234567, 2, "container", "hello"),
    LogLine(T0 + 0.1234567, 3, "container", "ünïcode\nnot a new line"),
    LogLine(T0 + 5, 4, "container", "ready"),
]


async def start(cloud: Cloud, *, gone: bool = False) -> str:
    made = await cloud.make()
    cloud.fleet.lines["w"] = list(LINES)
    if not gone:
        cloud.staff(made["id"], worker("w"))
    return f"/v2/serverless/{made['id']}/workers/w/logs"


async def open_stream(cloud: Cloud, path: str, last_id: str = "") -> ClientResponse:
    headers = {"Authorization": f"Bearer {KEY}"} | ({"Last-Event-ID": last_id} if last_id else {})
    response = await cloud.client.get(path, headers=headers)
    assert response.status == 200, await response.text()
    return response


async def event(response: ClientResponse) -> tuple[str, Any]:
    """(id, data) of the next event; ("", comment) for a comment."""
    block = (await response.content.readuntil(b"\n\n")).decode().rstrip("\n")
    if block.startswith(":"):
        return "", block
    id_line, data_line = block.split("\n")
    return id_line.removeprefix("id: "), json.loads(data_line.removeprefix("data: "))


async def everything(cloud: Cloud, query: str = "", last_id: str = "") -> list[str]:
    """The lines of a worker that is gone, whose stream therefore ends."""
    response = await open_stream(cloud, await start(cloud, gone=True) + query, last_id)
    text = (await response.read()).decode()
    data = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(entry)["line"] for entry in data]


async def test_past_lines_then_new_ones(cloud: Cloud) -> None:
    path = await start(cloud)
    response = await open_stream(cloud, path)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "RateLimit" in response.headers
    assert await event(response) == (
        "2027-01-15T08:00:00.000000Z/000000000001",
        {"ts": "2027-01-15T08:00:00.000000Z", "source": "system", "line": "starting"},
    )
    assert (await event(response))[0] == "2027-01-15T08:00:00.123456Z/000000000002"
    assert (await event(response))[1]["line"] == "ünïcode\nnot a new line"
    assert (await event(response))[1]["line"] == "ready"
    await cloud.fleet.say("w", LogLine(T0 + 9, 5, "container", "later"))
    assert (await event(response))[1]["line"] == "later"
    assert cloud.fleet.log_calls == [{"tail": 100, "after": None, "follow": True}]
    response.close()


QUERIES = [
    ("", "", ["starting", "hello", "ünïcode\nnot a new line", "ready"]),
    ("?tail=1", "", ["ready"]),
    ("?tail=0", "", []),
    ("?source=system", "", ["starting"]),
    ("?source=container&tail=2", "", ["ünïcode\nnot a new line", "ready"]),
    ("?since=2027-01-15T08:00:01Z&tail=0", "", ["ready"]),
    ("?since=2027-01-15T10:00:05%2B02:00", "", ["ready"]),
    (
        "?since=2027-01-15T08:00:01Z",
        "2027-01-15T08:00:00.123456Z/000000000002",
        ["ünïcode\nnot a new line", "ready"],
    ),
    ("", "2027-01-15T08:00:00Z/000000000001", ["hello", "ünïcode\nnot a new line", "ready"]),
    ("", "2027-01-15T08:00:05Z", ["ready"]),
    ("", "2027-01-15T08:00:05Z/000000000004", []),
]


@pytest.mark.parametrize(("query", "last_id", "lines"), QUERIES)
async def test_where_a_stream_begins(cloud: Cloud, query: str, last_id: str, lines: list[str]) -> None:
    assert await everything(cloud, query, last_id) == lines


async def test_a_time_to_come_is_waited_for(cloud: Cloud) -> None:
    response = await open_stream(cloud, await start(cloud) + "?since=2027-01-15T08:01:00Z")
    await cloud.fleet.say("w", LogLine(T0 + 59, 5, "container", "before"))
    await cloud.fleet.say("w", LogLine(T0 + 60, 6, "container", "then"))
    assert (await event(response))[1]["line"] == "then"
    response.close()


@pytest.mark.parametrize(
    ("query", "last_id", "error"),
    [
        ("?tail=-1", "", "tail: minimum: got -1, want 0"),
        ("?tail=5001", "", "tail: maximum: got 5001, want 5000"),
        ("?tail=many", "", "tail: got string, want integer"),
        ("?source=kernel", "", "source: value must be one of 'container', 'system'"),
        ("?since=yesterday", "", "since: 'yesterday' is not valid date-time"),
        ("?since=2027-01-15T08:00:00", "", "since: '2027-01-15T08:00:00' is not valid date-time"),
        ("", "x/1", "Last-Event-ID: 'x/1' is not valid date-time"),
    ],
)
async def test_what_a_stream_does_not_take(cloud: Cloud, query: str, last_id: str, error: str) -> None:
    path = await start(cloud)
    status, problem = await cloud.call(
        "GET", path + query, headers={"Last-Event-ID": last_id} if last_id else {}
    )
    assert (status, problem["errors"]) == (422, [error])


async def test_an_unknown_worker_is_not_found(cloud: Cloud) -> None:
    made = await cloud.make()
    status, problem = await cloud.call("GET", f"/v2/serverless/{made['id']}/workers/none/logs")
    assert (status, problem["detail"]) == (404, "worker not found")


async def test_a_quiet_stream_shows_that_it_lives(cloud: Cloud) -> None:
    response = await open_stream(cloud, await start(cloud) + "?tail=1")
    await event(response)
    await cloud.clock.advance(KEEP_ALIVE_S)
    assert await event(response) == ("", ": keep-alive")
    await cloud.clock.advance(KEEP_ALIVE_S)
    assert await event(response) == ("", ": keep-alive")
    response.close()


async def test_the_stream_ends_with_its_worker_and_with_the_cloud(cloud: Cloud) -> None:
    path = await start(cloud)
    first = await open_stream(cloud, path)
    for _ in LINES:
        await event(first)
    cloud.fleet.staff.clear()
    await cloud.fleet.say("w", LogLine(T0 + 9, 5, "system", "stopped"))
    assert (await event(first))[1]["line"] == "stopped"
    assert await asyncio.wait_for(first.read(), 10) == b""

    second = await open_stream(cloud, await start(cloud) + "?tail=0")
    cloud.service.close()
    assert await asyncio.wait_for(second.read(), 10) == b""
