"""The fleet of the workers' tests, with a worker that is an HTTP server."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from infra.localcloud.core.clock import ManualClock, RealClock
from infra.localcloud.runpod.model import ScalerType

_spec = importlib.util.spec_from_file_location(
    "fleet_of_the_workers_tests", Path(__file__).parents[1] / "workers" / "conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
fleets = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = fleets
_spec.loader.exec_module(fleets)

SERVER = """
import asyncio, json, os, signal
from aiohttp import web

os.environ.get("BROKEN") and os._exit(3)
health = {"status": int(os.environ.get("HEALTH", "200"))}
held = asyncio.Event()

async def ping(request):
    return web.Response(status=health["status"])

async def sick(request):
    health["status"] = int(request.match_info["status"])
    return web.Response(text=str(health["status"]))

async def echo(request):
    body = await request.read()
    what = {"method": request.method, "path": request.raw_path, "body": body.decode(), "pid": os.getpid()}
    answer = web.json_response(what | {"headers": dict(request.headers)}, headers={"X-Own": "1"})
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")
    return answer

async def stream(request):
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: one\\n\\n")
    await held.wait()
    await answer.write(b"data: two\\n\\n")
    return answer

async def go_on(request):
    held.set()
    return web.Response()

async def crash(request):
    print("the last words", flush=True)
    os._exit(7)

async def half(request):
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b"half")
    os._exit(7)

async def big(request):
    return web.Response(body=b"x" * (31 << 20))

async def hang(request):
    held.set()
    await asyncio.Event().wait()

async def away(request):
    raise web.HTTPFound(request.query.get("to", "/echo/there"))

async def socket(request):
    ws = web.WebSocketResponse(protocols=("chat",))
    await ws.prepare(request)
    async for message in ws:
        if message.data == "bye":
            await ws.close(code=4001, message=b"as you wish")
        elif message.type is web.WSMsgType.TEXT:
            await ws.send_str("echo " + message.data)
        else:
            await ws.send_bytes(message.data)
    print("closed with", ws.close_code, flush=True)
    return ws

app = web.Application(client_max_size=1 << 30)
app.add_routes([
    web.get("/ping", ping), web.get("/sick/{status}", sick), web.route("*", "/echo/{path:.*}", echo),
    web.get("/stream", stream), web.get("/go-on", go_on), web.get("/crash", crash), web.get("/half", half),
    web.get("/big", big), web.get("/hang", hang), web.get("/away", away), web.get("/socket", socket),
])
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
"""


@pytest.fixture
def balanced(tmp_path):
    """Runs an async test with an endpoint behind a load balancer whose workers are real servers."""

    def run(test, *, source=SERVER, manual=False, **changes):
        async def main():
            images = fleets.OneImage(fleets.handler_image(tmp_path, source))
            clock = ManualClock() if manual else RealClock()
            launcher = "stage" if manual else None
            async with fleets.serve_fleet(tmp_path, clock, images, launcher=launcher) as cloud:
                await cloud.apply(
                    type="LOAD_BALANCER", scaler=ScalerType.REQUEST_COUNT, scaler_value=2.0, **changes
                )
                await asyncio.wait_for(test(Caller(cloud)), fleets.PATIENCE_S)

        asyncio.run(main())

    return run


class Caller:
    """Calls the endpoint as its users do."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.base = f"{cloud.url}/lb/{cloud.record.id}"
        self.auth = {"Authorization": f"Bearer {fleets.API_KEY}"}

    def open(self, method, path, headers=None, **options):
        url = f"{self.base}{path}"
        return self.cloud.session.request(method, url, headers={**self.auth, **(headers or {})}, **options)

    async def call(self, method, path, *, expect=200, headers=None, **options):
        """(body, headers)"""
        async with self.open(method, path, headers, **options) as answer:
            body = await answer.read()
            assert answer.status == expect, f"{method} {path}: {answer.status} {body[:300]!r}"
            return body, answer.headers

    def worker(self, worker_id):
        return self.cloud.fleet._find(self.cloud.record.id, worker_id)
