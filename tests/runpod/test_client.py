"""The client at the edges: refusals, storms, lost connections, and what it never says."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.runpod.client import RunPodClient
from infra.runpod.errors import (
    Conflict,
    EffectUnknown,
    Forbidden,
    Missing,
    RateLimited,
    Rejected,
    Retired,
    RunPodError,
    Unauthorized,
    Unavailable,
)
from tests.runpod.helpers import KEY, Patience, Script, problem, quota

ClientOf = Callable[[Callable[[httpx.Request], httpx.Response]], RunPodClient]
OK = httpx.Response(200, json={"fine": True})


async def get(client: RunPodClient, patience: Patience) -> Any:
    return await client.get(patience, "/v2/serverless", "list endpoints")


def test_sends_the_key_as_bearer_and_says_who_it_is(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    script = Script(OK)
    assert run(get(client_of(script), patience)) == {"fine": True}
    sent = script.requests[0]
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.headers["User-Agent"].startswith("pilotlight/")
    assert str(sent.url) == "https://runpod.test/v2/serverless"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (403, Forbidden),
        (404, Missing),
        (409, Conflict),
        (410, Retired),
        (418, RunPodError),
        (422, Rejected),
    ],
)
def test_a_refusal_is_raised_at_once_as_its_own_kind(
    status: int, kind: type[RunPodError], client_of: ClientOf, patience: Patience, run: Any
) -> None:
    script = Script(problem(status, "the reason", errors=["$: missing property 'x'"]))
    with pytest.raises(kind) as caught:
        run(get(client_of(script), patience))
    assert (caught.value.status, caught.value.detail, caught.value.title) == (status, "the reason", "Title")
    assert "the reason; $: missing property 'x'" in caught.value.what
    assert "list endpoints" in caught.value.what
    assert patience.slept == []


def test_a_401_names_where_the_key_came_from_and_where_to_set_it(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    with pytest.raises(Unauthorized) as caught:
        run(get(client_of(Script(problem(401, "invalid key"))), patience))
    assert "RUNPOD_API_KEY" in caught.value.fix
    assert "pulumi config set --secret pilotlight-runpod:apiKey" in caught.value.fix


def test_a_storm_of_429_is_waited_out_by_retry_after(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    storm = [problem(429, "slow down", {"Retry-After": str(s)}) for s in (3, 7, 2, 11)]
    assert run(get(client_of(Script(*storm, OK)), patience)) == {"fine": True}
    assert 23 <= patience.waited < 25
    assert any("rate limit" in text for text in patience.said)


def test_a_429_is_waited_out_by_the_exhausted_window(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    assert run(get(client_of(Script(problem(429, "slow down", quota(0, 42)), OK)), patience)) == {
        "fine": True
    }
    assert 42 <= patience.waited < 43


def test_a_create_refused_by_429_was_not_done_and_is_sent_again(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    script = Script(problem(429, "slow down", {"Retry-After": "1"}), httpx.Response(201, json={"id": "e1"}))
    assert run(client_of(script).post(patience, "/v2/serverless", "create", {"name": "x"})) == {"id": "e1"}


def test_an_endless_storm_ends_with_the_operations_time(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    patience.timeout_s = 60
    with pytest.raises(RateLimited, match="resets in 20 s"):
        run(get(client_of(lambda request: problem(429, "slow down", {"Retry-After": "20"})), patience))
    assert patience.waited <= 60


def test_a_storm_that_says_retry_now_ends_too(client_of: ClientOf, patience: Patience, run: Any) -> None:
    patience.timeout_s = 10
    with pytest.raises(RateLimited):
        run(get(client_of(lambda request: problem(429, "slow down", {"Retry-After": "0"})), patience))


def test_the_quota_is_respected_before_the_server_has_to_refuse(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    client = client_of(Script(*[httpx.Response(200, json={}, headers=quota(r, 40)) for r in (1, 0)], OK))

    async def three() -> None:
        for _ in range(3):
            await get(client, patience)

    run(three())
    assert 40 <= patience.waited < 41


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("trouble", [502, "reset"])
def test_what_can_be_repeated_is_repeated(
    method: str, trouble: object, client_of: ClientOf, patience: Patience, run: Any
) -> None:
    failure = httpx.ReadError("connection reset") if trouble == "reset" else problem(502, "bad gateway")
    script = Script(failure, failure, OK)
    client = client_of(script)
    arguments: list[Any] = [patience, "/v2/serverless/e1", "touch endpoint e1"]
    if method == "patch":
        arguments.append({"name": "x"})
    run(getattr(client, method)(*arguments))
    assert len(script.requests) == 3
    assert any("trying again" in text for text in patience.said)


def test_retries_are_bounded_and_grow(client_of: ClientOf, patience: Patience, run: Any) -> None:
    script = Script(*[problem(503, "down")] * 10)
    with pytest.raises(Unavailable, match="503") as caught:
        run(get(client_of(script), patience))
    assert len(script.requests) == 6
    assert patience.slept == sorted(patience.slept)
    assert caught.value.fix


def test_retries_stop_when_the_operations_time_is_up(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    patience.timeout_s = 2
    with pytest.raises(Unavailable):
        run(get(client_of(lambda request: problem(500, "boom")), patience))
    assert patience.waited <= 2


def test_a_create_that_never_left_is_sent_again(client_of: ClientOf, patience: Patience, run: Any) -> None:
    script = Script(httpx.ConnectError("refused"), httpx.Response(201, json={"id": "e1"}))
    assert run(client_of(script).post(patience, "/v2/serverless", "create", {"name": "x"})) == {"id": "e1"}


@pytest.mark.parametrize(
    "trouble",
    [httpx.ReadError("reset"), httpx.ReadTimeout("silence"), problem(500, "boom"), problem(504, "late")],
)
def test_a_create_whose_answer_is_lost_is_not_sent_again(
    trouble: Any, client_of: ClientOf, patience: Patience, run: Any
) -> None:
    script = Script(trouble)
    with pytest.raises(EffectUnknown):
        run(client_of(script).post(patience, "/v2/serverless", "create", {"name": "x"}))
    assert len(script.requests) == 1


def test_an_unreachable_server_is_named_with_the_setting(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed")

    with pytest.raises(Unavailable, match="All connection attempts failed"):
        run(get(client_of(refuse), patience))


def test_an_answer_that_is_not_json_is_a_clean_error(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    with pytest.raises(RunPodError, match="not JSON") as caught:
        run(get(client_of(Script(httpx.Response(200, text="<html>hello"))), patience))
    assert "RUNPOD_API_BASE_URL" in caught.value.fix


def test_a_refusal_that_is_not_a_problem_document_still_speaks(
    client_of: ClientOf, patience: Patience, run: Any
) -> None:
    with pytest.raises(Missing, match="pod not found"):
        run(
            get(
                client_of(Script(httpx.Response(404, json={"error": "pod not found", "status": 404}))),
                patience,
            )
        )
    with pytest.raises(Forbidden, match="blocked by the proxy"):
        run(get(client_of(Script(httpx.Response(403, text="blocked by the proxy"))), patience))


def test_neither_the_key_nor_a_secret_of_the_body_reaches_an_error_or_a_log(
    client_of: ClientOf, patience: Patience, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = 'canary "quoted" \\ value'
    echo = problem(422, f"env TOKEN={canary} is bad, key {KEY}", errors=[f"$.env: got {canary}"])
    with pytest.raises(Rejected) as caught:
        run(
            client_of(Script(echo)).post(
                patience, "/v2/serverless", "create", {"env": {"T": canary}}, secrets=[canary]
            )
        )
    shown = " ".join(
        [str(caught.value), repr(caught.value.errors), caught.value.detail, caplog.text, *patience.said]
    )
    assert canary not in shown
    assert KEY not in shown
    assert "[secret]" in caught.value.what


def test_requests_share_a_bounded_number_of_slots(patience: Patience, run: Any) -> None:
    import asyncio

    active = peak = 0

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal active, peak
            active += 1
            peak = max(peak, active)
            await asyncio.sleep(0)
            active -= 1
            return httpx.Response(200, json={})

    async def flood() -> None:
        client = RunPodClient(KEY, "https://runpod.test", transport=Slow())
        await asyncio.gather(*(get(client, patience) for _ in range(100)))

    run(flood())
    assert peak <= 16
