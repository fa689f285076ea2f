"""`modal run` and `modal serve`, the official ones: an app that lives as long as its command."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from modal_proto import api_pb2

from infra.localcloud.modal.model import AppRecord
from tests.localcloud.modal.running import PATIENCE_S
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-cli")

RUN = """
import modal

app = modal.App("errand")

@app.function(max_containers=1)
def double(x):
    print(f"doubling {x}")
    return 2 * x

@app.function(max_containers=1)
def fail():
    raise LookupError("no luck")

@app.function(max_containers=1, schedule=modal.Period(seconds=1))
def tick():
    print("tick")

@app.local_entrypoint()
def main(n: int = 1):
    print("answer", double.remote(n))

@app.local_entrypoint()
def leave():
    print("left", double.spawn(5).object_id)
"""
SERVE = """
import modal

app = modal.App("shop", image=modal.Image.debian_slim("3.11"))

@app.function(max_containers=1)
@modal.asgi_app()
def web():
    async def answer(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        print("asked for bread")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bread"})
    return answer
"""


@pytest.fixture
def errand(modal: WholeModal) -> str:
    code = modal.state / "errand.py"
    code.write_text(RUN)
    return str(code)


def latest(modal: WholeModal, description: str) -> AppRecord:
    found = [app for app in modal.world.apps.values() if app.description == description]
    return max(found, key=lambda app: app.created_at)


def test_run_shows_what_the_function_prints_and_stops_the_app(modal: WholeModal, errand: str) -> None:
    said = modal.modal("run", f"{errand}::main", "--n", "21")
    assert "doubling 21" in said
    assert "answer 42" in said
    assert "\ntick\n" not in said
    app = latest(modal, "errand")
    assert app.state == api_pb2.APP_STATE_STOPPED
    modal.until(lambda: not modal.fleet.tasks(app.app_id))


def test_run_of_a_function_that_raises_shows_the_original_error(modal: WholeModal, errand: str) -> None:
    said = modal.modal("run", f"{errand}::fail", ok=False)
    assert "LookupError" in said
    assert "no luck" in said
    assert latest(modal, "errand").state == api_pb2.APP_STATE_STOPPED


def test_a_detached_run_ends_its_work_and_then_the_app(modal: WholeModal, errand: str) -> None:
    said = modal.modal("run", "--detach", f"{errand}::leave")
    call_id = said.split("left ")[1].split()[0]
    assert "doubling 5" in said
    assert latest(modal, "errand").state == api_pb2.APP_STATE_STOPPED
    assert modal.call(f"answer = modal.FunctionCall.from_id({call_id!r}).get(timeout=60)") == 10


def test_serve_follows_the_file_and_ends_with_ctrl_c(modal: WholeModal) -> None:
    folder = modal.state / "served"
    folder.mkdir()
    code = folder / "shop.py"
    code.write_text(SERVE)
    command = [sys.executable, "-m", "modal", "serve", str(code)]
    serving = subprocess.Popen(
        command,
        cwd=folder,
        env=modal.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        route = modal.until(
            lambda: next((r for r in modal.world.web_routes if r.startswith("shop-web")), None)
        )
        address = f"{modal.world.urls.web}/w/{route}"
        answers(address, b"bread")
        code.write_text(SERVE.replace("bread", "wine"))
        answers(address, b"wine")
        app = latest(modal, "shop")
        serving.send_signal(signal.SIGINT)
        said, _ = serving.communicate(timeout=PATIENCE_S)
    finally:
        serving.kill()
    assert "asked for bread" in said
    assert "asked for wine" in said
    assert app.state == api_pb2.APP_STATE_STOPPED
    modal.until(lambda: not modal.fleet.tasks(app.app_id))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(address, timeout=PATIENCE_S)


def answers(address: str, wanted: bytes) -> None:
    end = time.monotonic() + PATIENCE_S
    given: object = None
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                given = answer.read()
        except urllib.error.HTTPError as error:
            given = error
        if given == wanted:
            return
    raise AssertionError(f"{address} answers {given!r}, not {wanted!r}")
