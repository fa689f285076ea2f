"""What the provider deploys, in the official container entrypoint: called by the official client and over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.localcloud.modal.running import TOKEN, RunningModal
from tests.modal.world import World, project

pytestmark = pytest.mark.anyio

MODEL = """
import os

class Model:
    def load(self, weights):
        self.word = os.environ["WORD"]

    def predict(self, request):
        if request.get("fail"):
            raise LookupError("no such name")
        return {"said": self.word, "to": request["name"], "app": os.environ["PILOTLIGHT_APP"]}
"""
STREAM = """
class Model:
    def load(self, weights): ...

    def predict(self, request):
        for n in range(request["n"]):
            yield n
"""
BROKEN = """
class Model:
    def load(self, weights):
        raise OSError("the weights are gone")

    def predict(self, request): ...
"""
PIPELINE = """
def embed(text, times=1):
    return len(text) * times

async def rank(rows):
    return sorted(rows)

def words(text):
    yield from text.split()

def pairs(left, right):
    return [a + b for a, b in zip(left, right)]

def api():
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    return app
"""
APP: dict[str, Any] = {
    "name": "shop",
    "source": "search",
    "env": {"WORD": "hello"},
    "classes": {
        "Search": {"web": {}, "scaledownWindowS": 60},
        "Stream": {"entry": "stream.py", "web": {}, "maxConcurrentInputs": 4},
        "Broken": {"entry": "broken.py"},
    },
    "functions": {
        "embed": {"entry": "pipeline.py:embed"},
        "rank": {"entry": "pipeline.py:rank"},
        "words": {"entry": "pipeline.py:words"},
        "pairs": {"entry": "pipeline.py:pairs", "batchMaxSize": 2, "batchWaitMs": 50},
        "api": {"entry": "pipeline.py:api", "web": {"kind": "asgi"}},
    },
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningModal]:
    running = RunningModal(tmp_path / "modal")
    running.images.env["WORD"] = "hello"
    yield running
    running.close()


@pytest.fixture
async def shop(anyio_backend: str, tmp_path: Path, running: RunningModal) -> AsyncIterator[World]:
    root = project(tmp_path)
    for name, text in {"model": MODEL, "stream": STREAM, "broken": BROKEN, "pipeline": PIPELINE}.items():
        (root / "search" / f"{name}.py").write_text(text)
    url = f"http://127.0.0.1:{running.port}"
    async with World.beside(root, running.world, url, TOKEN) as world:
        await world.engine.up("App/shop", APP)
        yield world


def named(world: World, kind: str, name: str) -> Any:
    handle = getattr(world.client.api, kind)
    return handle.from_name("shop", name, environment_name="main", client=world.client.handle)


async def test_a_handler_class_answers_the_official_client(shop: World) -> None:
    search = named(shop, "Cls", "Search")()
    assert await search.predict.remote.aio({"name": "you"}) == {"said": "hello", "to": "you", "app": "shop"}
    with pytest.raises(LookupError, match="no such name"):
        await search.predict.remote.aio({"fail": True})
    with pytest.raises(ValueError, match="wanted a JSON object"):
        await search.predict.remote.aio([1])
    stream = named(shop, "Cls", "Stream")()
    assert [item async for item in stream.predict.remote_gen.aio({"n": 3})] == [0, 1, 2]
    with pytest.raises(OSError, match="the weights are gone"):
        await named(shop, "Cls", "Broken")().predict.remote.aio({})


async def test_functions_run_as_what_they_are(shop: World) -> None:
    assert await named(shop, "Function", "embed").remote.aio("word", times=2) == 8
    assert await named(shop, "Function", "rank").remote.aio([2, 1]) == [1, 2]
    assert [word async for word in named(shop, "Function", "words").remote_gen.aio("a b")] == ["a", "b"]
    pairs = named(shop, "Function", "pairs")
    assert [item async for item in pairs.starmap.aio([("a", "b"), ("c", "d")])] == ["ab", "cd"]


async def test_web_endpoints_answer_at_the_addresses_in_the_state(shop: World) -> None:
    urls = shop.engine.state["App/shop"].plain["webUrls"]
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        answer = await http.post(urls["Search"], json={"input": {"name": "you"}})
        assert (answer.status_code, answer.json()["output"]["said"]) == (200, "hello")
        answer = await http.post(urls["Search"], json={"input": {}})
        assert (answer.status_code, answer.json()) == (400, {"error": "the input has no 'name'"})
        answer = await http.post(urls["Search"], json={"input": {"name": "x", "fail": 1}})
        assert answer.status_code == 500
        assert answer.json()["error"].startswith("LookupError: no such name (model.py line")
        answer = await http.post(
            urls["Stream"], json={"input": {"n": 2}}, headers={"Accept": "text/event-stream"}
        )
        assert answer.text == "data: 0\n\ndata: 1\n\n"
        assert (await http.get(f"{urls['api']}/there")).text == "/there"


SLOW = """
import time
from pathlib import Path

class Model:
    def load(self, weights): ...

    def predict(self, request):
        if "started" in request:
            Path(request["started"]).touch()
            while not Path(request["go"]).exists():
                time.sleep(0.02)
        return "OLD"
"""


async def test_a_new_version_takes_new_inputs_while_the_old_one_finishes_its_own(
    anyio_backend: str, tmp_path: Path
) -> None:
    running = RunningModal(tmp_path / "modal", namespaces=False)  # so that handler and test share paths
    root = project(tmp_path)
    app = {"name": "shop", "source": "search", "classes": {"Search": {}}}
    url = f"http://127.0.0.1:{running.port}"
    started, go = tmp_path / "started", tmp_path / "go"
    try:
        async with World.beside(root, running.world, url, TOKEN) as world:
            (root / "search" / "model.py").write_text(SLOW)
            await world.engine.up("App/shop", app)
            old = named(world, "Cls", "Search")()
            call = await old.predict.spawn.aio({"started": str(started), "go": str(go)})
            await asyncio.to_thread(running.until, started.exists)
            (root / "search" / "model.py").write_text(SLOW.replace("OLD", "NEW"))
            assert await world.engine.up("App/shop", app) == "update"
            fresh = named(world, "Cls", "Search")()
            assert await fresh.predict.remote.aio({}) == "NEW"
            go.touch()
            assert await call.get.aio(timeout=30) == "OLD"
    finally:
        running.close()
