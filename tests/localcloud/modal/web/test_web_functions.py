"""Functions, classes and servers answer plain HTTP and WebSocket clients."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from tests.localcloud.modal.running import TOKEN, RunningModal

pytestmark = pytest.mark.xdist_group("modal")

SOURCE = """
import subprocess, sys
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

@app.function()
@modal.fastapi_endpoint(method="GET")
def hello(who: str = "world"):
    return {"hello": who}

@app.function()
@modal.fastapi_endpoint(method="POST", docs=True, label="echo-label")
def echo(body: dict):
    return {"got": body}

@app.function()
@modal.fastapi_endpoint(requires_proxy_auth=True)
def secret():
    return "open"

@app.function()
@modal.fastapi_endpoint()
def broken():
    raise ValueError("inside")

@app.function(timeout=1)
@modal.fastapi_endpoint()
async def stuck():
    import asyncio
    await asyncio.sleep(1000)

@app.function()
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def site():
    web = FastAPI()
    gone = []

    @web.get("/sse")
    async def sse(n: int):
        async def events():
            for i in range(n):
                yield f"data: {i}\\n\\n"
        return StreamingResponse(events(), media_type="text/event-stream", headers={"x-own": "1"})

    @web.get("/forever")
    async def forever(request: Request):
        import asyncio
        async def events():
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0.05)
            finally:
                gone.append(1)
        return StreamingResponse(events())

    @web.get("/gone")
    async def count():
        return len(gone)

    @web.post("/size")
    async def size(request: Request):
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
        return {"size": total, "root": request.scope["root_path"], "query": str(request.query_params)}

    @web.get("/large")
    async def large():
        from fastapi.responses import Response
        return Response(b"x" * 5_000_000)

    @web.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept(subprotocol=(socket.scope["subprotocols"] or [None])[0])
        while True:
            text = await socket.receive_text()
            if text == "end":
                await socket.close(code=4001)
                return
            await socket.send_text(f"you said {text}")

    return web

@app.cls()
class Model:
    size: int = modal.parameter(default=1)

    @modal.fastapi_endpoint()
    def show(self):
        return {"size": self.size}

@app.function()
@modal.web_server(PORT_A, startup_timeout=30)
def files():
    subprocess.Popen([sys.executable, "-m", "http.server", "PORT_A", "--directory", "/etc"])

@app.server(port=PORT_B, unauthenticated=True, routing_region="us-east")
class Server:
    @modal.enter()
    def begin(self):
        self.process = subprocess.Popen([sys.executable, "-m", "http.server", "PORT_B", "--directory", "/etc"])

    @modal.exit()
    def end(self):
        self.process.terminate()
"""


def _port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shop(modal: RunningModal) -> RunningModal:
    modal.deploy(SOURCE.replace("PORT_A", _port()).replace("PORT_B", _port()))
    return modal


def fetch(shop: RunningModal, address: str, method: str = "GET", **options: Any) -> tuple[int, str, Any]:
    async def main() -> tuple[int, str, Any]:
        url = f"{shop.world.urls.web}{address}"
        async with aiohttp.ClientSession() as session, session.request(method, url, **options) as answer:
            return answer.status, await answer.text(), answer.headers

    return asyncio.run(main())


def test_a_get_endpoint_answers(shop: RunningModal) -> None:
    status, text, headers = fetch(shop, "/w/shop-hello?who=you")
    assert (status, json.loads(text)) == (200, {"hello": "you"})
    assert headers["Content-Type"] == "application/json"


def test_the_official_client_knows_the_address(shop: RunningModal) -> None:
    answer = shop.call('answer = modal.Function.from_name("shop", "hello").get_web_url()')
    assert answer == f"{shop.world.urls.web}/w/shop-hello"


def test_a_post_endpoint_takes_a_body_and_shows_its_docs_under_its_own_root(shop: RunningModal) -> None:
    status, text, _ = fetch(shop, "/w/echo-label", "POST", json={"a": 1})
    assert (status, json.loads(text)) == (200, {"got": {"a": 1}})
    assert fetch(shop, "/w/echo-label/openapi.json")[0] == 200
    assert "/w/echo-label/openapi.json" in fetch(shop, "/w/echo-label/docs")[1]


def test_an_unknown_address_is_not_found(shop: RunningModal) -> None:
    assert fetch(shop, "/w/nothing-here")[0] == 404


def test_proxy_authentication_wants_both_headers(shop: RunningModal) -> None:
    assert fetch(shop, "/w/shop-secret")[0] == 401
    wrong = {"Modal-Key": TOKEN.id, "Modal-Secret": "as-wrong"}
    assert fetch(shop, "/w/shop-secret", headers=wrong)[0] == 401
    right = {"Modal-Key": TOKEN.id, "Modal-Secret": TOKEN.secret}
    assert fetch(shop, "/w/shop-secret", headers=right)[:2] == (200, '"open"')


def test_a_proxy_token_opens_what_it_is_allowed_for_until_it_is_deleted(shop: RunningModal) -> None:
    code = """
tokens = modal.Workspace.from_context().proxy_tokens
token = tokens.create(name="ours")
modal.Environment.objects.create("other")
"""
    key, secret = shop.call(code + "answer = [token.token_id, token.token_secret]")
    headers = {"Modal-Key": key, "Modal-Secret": secret}
    assert fetch(shop, "/w/shop-secret", headers=headers)[0] == 200
    assert fetch(shop, "/w/shop-secret", headers={**headers, "Modal-Secret": "ws-wrong"})[0] == 401
    code = f"""
tokens = modal.Workspace.from_context().proxy_tokens
tokens.allow({key!r}, "other")
tokens.update({key!r}, name="theirs")
answer = [[item.name, item.scoped] for item in tokens.list(environment_name="other")]
answer += [item.name for item in tokens.list(environment_name="main")]
"""
    assert shop.call(code) == [["theirs", True]]
    assert fetch(shop, "/w/shop-secret", headers=headers)[0] == 401
    shop.python(f'modal.Workspace.from_context().proxy_tokens.allow({key!r}, "main")')
    assert fetch(shop, "/w/shop-secret", headers=headers)[0] == 200
    code = f"""
tokens = modal.Workspace.from_context().proxy_tokens
tokens.delete({key!r})
answer = [item.token_id for item in tokens.list()]
"""
    assert shop.call(code) == []
    assert fetch(shop, "/w/shop-secret", headers=headers)[0] == 401


def test_an_exception_is_an_internal_server_error(shop: RunningModal) -> None:
    assert fetch(shop, "/w/shop-broken")[0] == 500


def test_a_request_past_the_functions_timeout_is_a_gateway_timeout(shop: RunningModal) -> None:
    status, text, _ = fetch(shop, "/w/shop-stuck")
    assert status == 504
    assert "hit its timeout of 1s" in text


def test_events_are_streamed(shop: RunningModal) -> None:
    status, text, headers = fetch(shop, "/w/shop-site/sse?n=3")
    assert (status, text) == (200, "data: 0\n\ndata: 1\n\ndata: 2\n\n")
    assert (headers["Content-Type"], headers["x-own"]) == ("text/event-stream; charset=utf-8", "1")


def test_large_bodies_go_both_ways(shop: RunningModal) -> None:
    status, text, _ = fetch(shop, "/w/shop-site/size?a=b", "POST", data=b"y" * 5_000_000)
    assert (status, json.loads(text)) == (200, {"size": 5_000_000, "root": "/w/shop-site", "query": "a=b"})
    assert len(fetch(shop, "/w/shop-site/large")[1]) == 5_000_000


def test_an_app_is_told_when_its_client_goes(shop: RunningModal) -> None:
    async def leave() -> None:
        url = f"{shop.world.urls.web}/w/shop-site/forever"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert await answer.content.read(4) == b"tick"

    asyncio.run(leave())
    shop.until(lambda: not any(call.unfinished() for call in shop.fleet.book.calls.values()))
    assert fetch(shop, "/w/shop-site/gone")[1] == "1"


def test_a_websocket_talks_and_is_closed_with_a_code(shop: RunningModal) -> None:
    async def talk() -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{shop.world.urls.web}/w/shop-site/ws", protocols=["chat"]) as socket,
        ):
            await socket.send_str("hi")
            said = await socket.receive_str()
            await socket.send_str("end")
            await socket.receive()
            return [socket.protocol, said, socket.close_code]

    assert asyncio.run(talk()) == ["chat", "you said hi", 4001]


def test_a_class_takes_its_parameters_from_the_query(shop: RunningModal) -> None:
    assert json.loads(fetch(shop, "/w/shop-model-show")[1]) == {"size": 1}
    assert json.loads(fetch(shop, "/w/shop-model-show?size=7")[1]) == {"size": 7}
    assert fetch(shop, "/w/shop-model-show?size=big")[0] == 422


def test_a_web_server_of_the_function_answers(shop: RunningModal) -> None:
    status, text, _ = fetch(shop, "/w/shop-files/hostname")
    assert status == 200
    assert text.strip() == socket.gethostname()


def test_a_server_answers_and_ends_with_its_exit_hooks(shop: RunningModal) -> None:
    assert fetch(shop, "/w/shop-server/hostname")[1].strip() == socket.gethostname()
    (task,) = [
        task for task in shop.ask(shop.fleet.tasks) if shop.world.functions[task.function_id].data.is_server
    ]
    shop.ask(lambda: shop.fleet.stop_task(task.task_id, graceful=True))
    shop.until(lambda: shop.fleet.task(task.task_id).state.value == "stopped")
    assert shop.ask(lambda: shop.fleet.task(task.task_id)).reason == ""


def test_a_label_is_also_a_host(shop: RunningModal) -> None:
    status, text, _ = fetch(shop, "/?who=host", headers={"Host": "shop-hello.localhost"})
    assert (status, json.loads(text)) == (200, {"hello": "host"})
