"""Whatever is sent: no crash, and nobody hears of an endpoint that they did not ask for."""

import asyncio
import json
import logging
from typing import Any

import pytest
from yarl import URL

from infra.localcloud.runpod.model import LogLine
from tests.conformance.runpod.fuzzing import BODIES, Asked, Fuzzer
from tests.localcloud.rest.conftest import anyio_backend, cloud
from tests.localcloud.rest.fakes import KEY, Cloud, worker

__all__ = ["anyio_backend", "cloud"]
pytestmark = pytest.mark.anyio

SECRET = "canary-of-a-secret"


async def guarded_endpoints(cloud: Cloud) -> dict[str, str]:
    """Endpoints whose environment, worker and log hold a word of their own: id -> word."""
    words = {}
    for index in range(3):
        word = f"canary-{index}-of-an-endpoint"
        made = await cloud.make(name=f"kept-{index}", env={"WORD": word})
        cloud.staff(made["id"], worker(f"worker{index}"))
        cloud.fleet.lines[f"worker{index}"] = [LogLine(1_800_000_000.0, 1, "container", word)]
        words[made["id"]] = word
    cloud.service.secrets.create("kept", SECRET, "")
    return words


async def send(cloud: Cloud, asked: Asked) -> tuple[int, str]:
    """A stream is read for its first moment only."""
    path = URL(asked.path, encoded=True)
    async with cloud.client.request(
        asked.method, path, data=asked.body, headers=asked.headers, allow_redirects=False
    ) as response:
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            try:
                text = (await asyncio.wait_for(response.content.readany(), 0.02)).decode()
            except TimeoutError:
                text = ""
            response.close()
            return response.status, text
        return response.status, (await response.read()).decode("utf-8", "replace")


def leaks(asked: Asked, text: str, words: dict[str, str]) -> list[str]:
    """What an answer should not have in it. Lists, and `myself`, show the account all that it has."""
    may_list = asked.path.startswith("/graphql") or asked.path.rstrip("/?") in ("/v2/serverless",)
    found = [SECRET] if SECRET in text else []
    if not may_list:
        found += [word for id, word in words.items() if word in text and id not in asked.path]
    if asked.headers["Authorization"] != f"Bearer {KEY}":
        found += [word for word in words.values() if word in text]
    return found


async def campaign(cloud: Cloud, seed: int, requests: int) -> dict[int, int]:
    cloud.settings.set("rate_limit=false")
    words, fuzzer = await guarded_endpoints(cloud), Fuzzer(seed, KEY)
    fuzzer.ids["serverless"] += words
    statuses: dict[int, int] = {}
    for number in range(requests):
        asked = fuzzer.request()
        if asked.method in ("PATCH", "DELETE") and any(id in asked.path for id in words):
            continue
        status, text = await send(cloud, asked)
        assert status < 500, (number, asked, text)
        assert leaks(asked, text, words) == [], (number, asked, text)
        statuses[status] = statuses.get(status, 0) + 1
        if status == 201:
            learn(fuzzer, asked, json.loads(text))
    return statuses


def learn(fuzzer: Fuzzer, asked: Asked, made: dict[str, Any]) -> None:
    collection = asked.path.split("/")[2].split("?")[0]
    if collection in BODIES:
        fuzzer.ids[collection] = [*fuzzer.ids[collection][-12:], made["id"]]


async def check(cloud: Cloud, caplog: pytest.LogCaptureFixture, seed: int, requests: int) -> None:
    with caplog.at_level(logging.ERROR):
        statuses = await campaign(cloud, seed, requests)
    ours = [record for record in caplog.records if record.name.startswith("infra")]
    assert [record.getMessage() for record in ours if record.exc_info] == []
    assert {200, 201, 400, 401, 404, 422} <= set(statuses), statuses
    assert statuses[200] + statuses[201] > requests / 6, "most of it should get somewhere"


async def test_three_hundred_requests(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    await check(cloud, caplog, 20261124, 300)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(4))
async def test_ten_thousand_requests(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, seed: int
) -> None:
    if "campaign" not in request.config.getoption("markexpr"):
        pytest.skip("a campaign of 10,000 requests: run it with -m campaign")
    await check(cloud, caplog, seed, 2500)
