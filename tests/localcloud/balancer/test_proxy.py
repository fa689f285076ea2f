"""Requests through a load-balancing endpoint to real HTTP servers."""

import asyncio
import json

import aiohttp
import pytest

pytestmark = pytest.mark.xdist_group("workers")


def test_a_request_reaches_a_worker_as_it_was_sent_and_the_key_does_not(balanced):
    async def test(caller):
        body, headers = await caller.call(
            "PUT", "/echo/a%2Fb?x=%20&y=1+2", data="grüezi", headers={"X-Mine": "yes", "Accept": "text/x"}
        )
        seen = json.loads(body)
        assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/echo/a%2Fb?x=%20&y=1+2", "grüezi")
        assert seen["headers"]["X-Mine"] == "yes"
        assert seen["headers"]["Accept"] == "text/x"
        assert "Authorization" not in seen["headers"]
        assert headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert headers["X-Runpod-Worker-Id"] == caller.cloud.views()[0].id
        assert caller.cloud.statuses() == ["IDLE"]
        body, _ = await caller.call("HEAD", "/echo/head")
        assert body == b""
        _, headers = await caller.call("GET", "/away", expect=302, allow_redirects=False)
        assert headers["Location"] == f"/lb/{caller.cloud.record.id}/echo/there"
        assert json.loads((await caller.call("GET", "/away"))[0])["path"] == "/echo/there"
        elsewhere = "http://127.0.0.1:9/elsewhere"
        _, headers = await caller.call("GET", f"/away?to={elsewhere}", expect=302, allow_redirects=False)
        assert headers["Location"] == elsewhere
        health = await caller.cloud.call("GET", "health")
        assert health["workers"]["ready"] == 1
        refused = await caller.cloud.call("POST", "run", {"input": 1}, expect=400)
        assert "load-balancing" in refused["error"]

    balanced(test)


def test_who_may_not_and_what_is_not_there(balanced):
    async def test(caller):
        await caller.call("GET", "/ping", expect=401, headers={"Authorization": "Bearer other"})
        caller.auth = {}
        await caller.call("GET", "/ping", expect=401)
        caller.auth = {"Authorization": "local-key"}
        await caller.call("GET", "/ping")
        caller.base += "x"
        await caller.call("GET", "/ping", expect=404)

    balanced(test)


def test_a_stream_is_not_held_back(balanced):
    async def test(caller):
        async with caller.open("GET", "/stream") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert await answer.content.readuntil(b"\n\n") == b"data: one\n\n"
            await caller.call("GET", "/go-on")
            assert await answer.content.read() == b"data: two\n\n"

    balanced(test, workers_max=1)


def test_a_websocket_goes_through_both_ways_with_its_protocol_and_closing_code(balanced):
    async def test(caller):
        session = caller.cloud.session
        url = caller.base.replace("http", "ws") + "/socket"
        async with session.ws_connect(url, headers=caller.auth, protocols=("other", "chat")) as ws:
            assert ws.protocol == "chat"
            await ws.send_str("hello")
            assert await ws.receive_str() == "echo hello"
            await ws.send_bytes(b"\0" * (3 << 20))
            assert len(await ws.receive_bytes()) == 3 << 20
            await ws.ping()
            await ws.send_str("bye")
            end = await ws.receive()
            assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "as you wish")
        async with session.ws_connect(url, headers=caller.auth) as ws:
            await ws.close(code=4002)
        worker = caller.worker(caller.cloud.views()[0].id)
        await caller.cloud.until(lambda: any("with 4002" in line.line for line in worker.log.tail(9)))
        await caller.cloud.until(lambda: worker.requests == 0)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(caller.base + "/nowhere", headers=caller.auth)
        assert refused.value.status == 404
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
        assert refused.value.status == 401

    balanced(test, workers_max=1)


def test_a_crash_is_a_502_with_the_reason_and_the_next_request_gets_a_new_worker(balanced):
    async def test(caller):
        body, headers = await caller.call("GET", "/crash", expect=502)
        error = json.loads(body)["error"]
        assert headers["X-Runpod-Worker-Id"] in error
        assert "exited with code 7: the last words" in error
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.call("GET", "/half")
        assert json.loads((await caller.call("GET", "/echo/again"))[0])["path"] == "/echo/again"

    balanced(test)


def test_payloads_have_a_limit(balanced):
    async def test(caller):
        limit = 30 << 20
        body, _ = await caller.call("POST", "/echo/whole", data=b"x" * (limit - 9999))
        assert len(json.loads(body)["body"]) == limit - 9999
        await caller.call("POST", "/echo/echoed", data=b"x" * limit, expect=502)
        await caller.call("POST", "/echo/more", data=b"x" * (limit + 1), expect=413)

        async def pieces():
            for _ in range(31):
                yield b"x" * (1 << 20)

        await caller.call("POST", "/echo/pieces", data=pieces(), expect=413)
        body, _ = await caller.call("GET", "/big", expect=502)
        assert "more than" in json.loads(body)["error"]

    balanced(test)


def test_affinity(balanced):
    async def test(caller):
        await caller.cloud.until(lambda: caller.cloud.statuses() == ["IDLE", "IDLE"])
        one, two = sorted(view.id for view in caller.cloud.views())
        for pin in (one, two, f"strict {one}", f"strict {two}", f"strict-resume {one}"):
            for _ in range(3):
                _, headers = await caller.call("GET", "/echo/", headers={"X-Runpod-Worker-Id": pin})
                assert headers["X-Runpod-Worker-Id"] == pin.split()[-1]
        _, headers = await caller.call("GET", "/echo/", headers={"X-Runpod-Worker-Id": "nobody"})
        assert headers["X-Runpod-Worker-Id"] in (one, two)
        pin = {"X-Runpod-Worker-Id": "strict nobody"}
        body, _ = await caller.call("GET", "/echo/", headers=pin, expect=404)
        assert json.loads(body)["error"] == "affinity_worker_gone"
        pin = {"X-Runpod-Worker-Id": f"strict {one}"}
        body, _ = await caller.call("GET", "/crash", headers=pin, expect=502)
        await caller.cloud.until(lambda: one not in {view.id for view in caller.cloud.views()})
        await caller.call("GET", "/echo/", headers=pin, expect=404)
        pin = {"X-Runpod-Worker-Id": f"strict-resume {one}"}
        await caller.call("GET", "/echo/", headers=pin, expect=404)

    balanced(test, workers_min=2)


def test_a_worker_that_was_scaled_down_comes_back_for_who_asks_for_it(balanced):
    async def test(caller):
        _, headers = await caller.call("GET", "/echo/")
        one = headers["X-Runpod-Worker-Id"]
        await caller.cloud.until(lambda: caller.cloud.views() == [])
        pin = {"X-Runpod-Worker-Id": f"strict {one}"}
        await caller.call("GET", "/echo/", headers=pin, expect=404)
        pin = {"X-Runpod-Worker-Id": f"strict-resume {one}"}
        _, headers = await caller.call("GET", "/echo/", headers=pin)
        assert headers["X-Runpod-Worker-Id"] == one

    balanced(test, idle_timeout_s=1)


def test_an_unhealthy_worker_gets_no_requests_until_it_is_well_again(balanced, monkeypatch):
    monkeypatch.setattr("infra.localcloud.runpod.balancer.health.PAUSE_S", 0.05)

    async def test(caller):
        first = json.loads((await caller.call("GET", "/echo/"))[0])["pid"]
        await caller.call("GET", "/sick/500")
        await caller.cloud.until(lambda: "UNHEALTHY" in caller.cloud.statuses())
        (view,) = [view for view in caller.cloud.views() if view.status.value == "UNHEALTHY"]
        assert "GET /ping answers 500" in view.reason
        second = json.loads((await caller.call("GET", "/echo/"))[0])["pid"]
        assert second != first
        worker = caller.worker(view.id)
        async with caller.cloud.session.get(f"http://127.0.0.1:{worker.ports[0]}/sick/200"):
            pass
        await caller.cloud.until(lambda: "UNHEALTHY" not in caller.cloud.statuses())
        assert not worker.reason

    balanced(test)


def test_requests_under_way_ask_for_workers(balanced):
    async def test(caller):
        asked = [asyncio.ensure_future(caller.call("GET", "/hang")) for _ in range(5)]
        await caller.cloud.until(lambda: len(caller.cloud.views()) == 3)
        await caller.cloud.until(lambda: caller.cloud.fleet.jobs(caller.cloud.record.id).in_progress == 5)
        await caller.cloud.until(lambda: "INITIALIZING" not in caller.cloud.statuses())
        more = [asyncio.ensure_future(caller.call("GET", "/hang")) for _ in range(4)]
        spread = [5, 2, 2]
        workers = [caller.worker(view.id) for view in caller.cloud.views()]
        await caller.cloud.until(lambda: sorted(worker.requests for worker in workers) == sorted(spread))
        asked += more
        for task in asked:
            task.cancel()

    balanced(test)


def test_flashboot_starts_servers_too(balanced):
    async def test(caller):
        await caller.cloud.until(lambda: caller.cloud.fleet._flashboot._zygotes)
        (zygote,) = caller.cloud.fleet._flashboot._zygotes.values()
        assert await zygote.warmed()
        _, headers = await caller.call("GET", "/echo/")
        worker = caller.worker(headers["X-Runpod-Worker-Id"])
        assert any("by FlashBoot" in line.line for line in worker.log.tail(9))

    balanced(test, flashboot="PRIORITY_FLASHBOOT")
