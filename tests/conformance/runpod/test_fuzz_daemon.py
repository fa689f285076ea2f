"""The whole daemon, job API, worker protocol and load balancers included, under requests that mean harm."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.conformance.runpod.fuzzing import Asked, Fuzzer
from tests.localcloud.daemon.conftest import Checkout, _object_store, new_checkout

__all__ = ["_object_store", "new_checkout"]
pytestmark = [pytest.mark.campaign, pytest.mark.anyio]

REQUESTS = 3000
AT_ONCE = 16
NO_WORKER = (502, 503, 504)  # what a load balancer says for a worker that is not there


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class JobFuzzer:
    """Requests of the data plane. Each endpoint's jobs have its word in them."""

    def __init__(self, seed: int, key: str, words: dict[str, str], balancer: str) -> None:
        self.rng, self._key, self._words, self._balancer = random.Random(seed), key, words, balancer
        self.jobs: dict[str, list[str]] = {id: ["none"] for id in words}

    def request(self) -> tuple[str, Asked]:
        """The endpoint that is asked for, and the request. Jobs and workers may be another's."""
        id = self.rng.choice(list(self._words))
        job = self.rng.choice(self.jobs[self.rng.choice(list(self._words))])
        operation = self.rng.choice(
            (
                *("run", "run", f"status/{job}", f"status/{job}", f"stream/{job}?wait=1", f"cancel/{job}"),
                *(f"retry/{job}", "purge-queue", "health", "metrics", "requests", "runsync?wait=1000"),
                *("openai/v1/models", f"job-take/w?gpu=L4&job_in_progress={self.rng.choice('01x')}"),
                *(f"job-done/w/{job}?gpu=L4&isStream=false", f"job-stream/w/{job}?x=1", "ping/w?job_id=a"),
                *("job-take-batch/w?batch_size=-1", "job-stop/w?", "batch", "nothing", f"status/{job}%2F.."),
            )
        )
        if self.rng.random() < 0.1:
            path = f"/lb/{self.rng.choice([self._balancer, id, 'none'])}/{self.rng.choice(['ping', '', '..', '%00'])}"
        else:
            path = f"/v2/{id}/{operation}"
        key = self.rng.choice((self._key, self._key, self._key, "wrong", "", "é"))
        body = self.rng.choice((b"", b"{", b"[]", b"null", b'{"input": null}', b'{"input": {"w": "%s"}}' % self._words[id].encode(), b'{"input": {}, "policy": {"ttl": -1}}', b'{"input": 1, "webhook": "http://127.0.0.1:1"}'))  # fmt: skip
        method = self.rng.choice(("GET", "POST", "POST"))
        return id, Asked(method, path, body if method == "POST" else None, {"Authorization": f"Bearer {key}"})


async def test_three_thousand_requests(
    new_checkout: Callable[[str], Checkout], request: pytest.FixtureRequest
) -> None:
    if "campaign" not in request.config.getoption("markexpr"):
        pytest.skip("a campaign of some minutes: run it with -m campaign")
    checkout = new_checkout("fuzzed")
    checkout.pilotlight("up", "--set", "rate_limit=false")
    words = {}
    for index in range(3):
        word = f"canary-{index}-of-a-job"
        words[checkout.create_endpoint(name=f"kept-{index}", env={"WORD": word})["id"]] = word
    scaling = {"type": "REQUEST_COUNT", "requestCount": 1}
    balancer = checkout.create_endpoint(name="lb", type="LOAD_BALANCER", scaling=scaling)["id"]
    key = checkout.record["runpod"]["api_key"]
    heard: Counter[int] = Counter()
    await _storm(checkout.record["url"], Fuzzer(1, key), JobFuzzer(2, key, words, balancer), words, heard)
    assert {200, 201, 400, 401, 404, 422} <= set(heard), heard
    assert heard[200] + heard[201] > REQUESTS / 10, heard
    assert checkout("GET", "/_local/health")[0] == 200
    log = (checkout.cloud / "daemon.log").read_text()
    # aiohttp's own words for requests that are no HTTP are no failure of ours.
    ours = [part for part in log.split("\n20") if "Traceback" in part and "InvalidURLError" not in part]
    assert ours == []


async def _storm(
    url: str, control: Fuzzer, data: JobFuzzer, words: dict[str, str], heard: Counter[int]
) -> None:
    control.ids["serverless"] += words
    gate = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def one() -> None:
            async with gate:
                if data.rng.random() < 0.4:
                    await _ask(session, url, control.request(), None, words, heard)
                else:
                    id, asked = data.request()
                    answer = await _ask(session, url, asked, id, words, heard)
                    if (
                        isinstance(answer, dict)
                        and asked.path.endswith(("/run", "wait=1000"))
                        and "id" in answer
                    ):
                        data.jobs[id] = [*data.jobs[id][-20:], answer["id"]]

        await asyncio.gather(*(one() for _ in range(REQUESTS)))


async def _ask(
    session: aiohttp.ClientSession,
    url: str,
    asked: Asked,
    id: str | None,
    words: dict[str, str],
    heard: Counter[int],
) -> Any:
    if asked.method in ("PATCH", "DELETE") and any(word in asked.path for word in words):
        return None
    try:
        async with session.request(
            asked.method, URL(url + asked.path, encoded=True), data=asked.body, headers=asked.headers
        ) as response:
            heard[response.status] += 1
            text = await response.text(errors="replace")
            balanced = asked.path.startswith("/lb/") and response.status in NO_WORKER
            assert response.status < 500 or balanced, (asked, response.status, text)
            foreign = [word for other, word in words.items() if word in text and other != id]
            assert id is None or foreign == [], (asked, text)
            return await response.json() if response.content_type == "application/json" and text else None
    except (TimeoutError, aiohttp.ClientError):
        return None  # a long poll, a stream, or a request that is no HTTP
