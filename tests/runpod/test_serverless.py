"""Endpoint calls: one listing for many, one endpoint for a create whose answer is lost, deletes that are certain."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.runpod.errors import EffectUnknown, RunPodError
from infra.runpod.marks import of_environment
from infra.runpod.serverless import Serverless
from tests.runpod.helpers import Patience, Script, listing, problem

ServerlessOf = Callable[[Callable[[httpx.Request], httpx.Response]], Serverless]
BODY: dict[str, Any] = {"name": "search", "env": {"PILOTLIGHT_MARK": "pl-1", "TOKEN": "secret-canary"}}


def raw(id: str, mark: str = "", name: str = "search") -> dict[str, Any]:
    return {"id": id, "name": name, "env": {"PILOTLIGHT_MARK": mark} if mark else {}}


async def create(serverless: Serverless, patience: Patience) -> dict[str, Any]:
    return await serverless.create(
        patience, BODY, lambda raw: of_environment(raw) == "pl-1", BODY["env"].values()
    )


def test_reads_of_one_moment_share_one_listing(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(listing(*[raw(f"e{n}") for n in range(100)]))

    async def read_all() -> list[Any]:
        serverless = serverless_of(script)
        return await asyncio.gather(*(serverless.get(patience, f"e{n}") for n in range(100)))

    assert [found["id"] for found in run(read_all())] == [f"e{n}" for n in range(100)]
    assert script.seen == ["GET /v2/serverless"]


def test_a_later_read_asks_again(serverless_of: ServerlessOf, patience: Patience, run: Any) -> None:
    script = Script(listing(raw("e1", name="before")), listing(raw("e1", name="after")))

    async def twice() -> list[Any]:
        serverless = serverless_of(script)
        first = await serverless.get(patience, "e1")
        patience.now += 3
        return [first, await serverless.get(patience, "e1")]

    assert [found["name"] for found in run(twice())] == ["before", "after"]


def test_an_endpoint_missing_from_the_listing_is_asked_for_by_id(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(listing(), httpx.Response(200, json=raw("e1")))
    assert run(serverless_of(script).get(patience, "e1"))["id"] == "e1"
    assert (
        run(serverless_of(Script(listing(), problem(404, "endpoint not found"))).get(patience, "e1")) is None
    )


def test_pages_are_followed(serverless_of: ServerlessOf, patience: Patience, run: Any) -> None:
    script = Script(listing(raw("e1"), nextCursor="c2"), listing(raw("e2")))
    assert [r["id"] for r in run(serverless_of(script).endpoints(patience))] == ["e1", "e2"]
    assert script.requests[1].url.params["cursor"] == "c2"


def test_a_failed_listing_is_not_kept(serverless_of: ServerlessOf, patience: Patience, run: Any) -> None:
    script = Script(problem(401, "no"), listing(raw("e1")))

    async def twice() -> Any:
        serverless = serverless_of(script)
        with pytest.raises(RunPodError):
            await serverless.endpoints(patience)
        return await serverless.endpoints(patience)

    assert [r["id"] for r in run(twice())] == ["e1"]


@pytest.mark.parametrize("trouble", [httpx.ReadError("reset"), problem(502, "bad gateway")])
def test_a_create_whose_answer_is_lost_after_the_effect_finds_its_endpoint(
    trouble: Any, serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(trouble, listing(raw("other"), raw("e1", "pl-1")))
    assert run(create(serverless_of(script), patience))["id"] == "e1"
    assert script.seen == ["POST /v2/serverless", "GET /v2/serverless"]
    assert any("looking whether it was created" in text for text in patience.said)


def test_a_create_lost_before_the_effect_is_sent_again(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(
        httpx.ReadError("reset"), listing(raw("other", "pl-2")), httpx.Response(201, json=raw("e1", "pl-1"))
    )
    assert run(create(serverless_of(script), patience))["id"] == "e1"
    assert json.loads(script.requests[2].content) == BODY


def test_looking_for_a_lost_create_never_trusts_an_older_listing(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(listing(), httpx.ReadError("reset"), listing(raw("e1", "pl-1")))

    async def scenario() -> Any:
        serverless = serverless_of(script)
        await serverless.endpoints(patience)
        return await create(serverless, patience)

    assert run(scenario())["id"] == "e1"


def test_a_create_that_keeps_getting_lost_gives_up(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(*[httpx.ReadError("reset"), listing()] * 3)
    with pytest.raises(EffectUnknown):
        run(create(serverless_of(script), patience))
    assert script.seen.count("POST /v2/serverless") == 3


def test_a_deleted_endpoint_is_confirmed_gone(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    script = Script(httpx.Response(204), listing(raw("e1")), listing(raw("e1")), listing(raw("other")))
    run(serverless_of(script).delete(patience, "e1"))
    assert len(script.requests) == 4


def test_an_endpoint_that_will_not_go_is_an_error(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    patience.timeout_s = 5

    def stubborn(request: httpx.Request) -> httpx.Response:
        return httpx.Response(204) if request.method == "DELETE" else listing(raw("e1"))

    with pytest.raises(RunPodError, match="still lists endpoint e1"):
        run(serverless_of(stubborn).delete(patience, "e1"))


def test_deleting_what_is_gone_is_success(serverless_of: ServerlessOf, patience: Patience, run: Any) -> None:
    script = Script(problem(404, "endpoint not found"))
    run(serverless_of(script).delete(patience, "e1"))
    assert script.seen == ["DELETE /v2/serverless/e1"]


def test_many_deletes_share_their_confirmations(
    serverless_of: ServerlessOf, patience: Patience, run: Any
) -> None:
    seen: list[str] = []

    class Server(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.method)
            await asyncio.sleep(0)
            return httpx.Response(204) if request.method == "DELETE" else listing()

    async def delete_all() -> None:
        from infra.runpod.client import RunPodClient

        serverless = Serverless(RunPodClient("k" * 20, "https://runpod.test", transport=Server()))
        await asyncio.gather(*(serverless.delete(patience, f"e{n}") for n in range(100)))

    run(delete_all())
    assert seen.count("DELETE") == 100
    assert seen.count("GET") < 30


def test_log_lines_are_read_from_the_stream(serverless_of: ServerlessOf, run: Any) -> None:
    lines = [json.dumps({"ts": "t", "source": "container", "line": f"line {n}\n"}) for n in range(5)]
    stream = "".join(
        f"id: t/{n}\ndata: {line}\n\n" for n, line in enumerate([*lines[:2], "garbage", *lines[2:]])
    )
    script = Script(httpx.Response(200, text=stream))
    assert run(serverless_of(script).last_log_lines("e1", "w1", count=4)) == ["line 0", "line 1", "line 2"]
    assert script.requests[0].url.params["tail"] == "4"
    assert run(serverless_of(Script(problem(404, "no"))).last_log_lines("e1", "w1")) == []
    assert run(serverless_of(Script(httpx.ReadTimeout("silence"))).last_log_lines("e1", "w1")) == []
