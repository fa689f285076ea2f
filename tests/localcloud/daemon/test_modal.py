"""The daemon's Modal half, as the official client finds it after `pilotlight cloud env`."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Checkout

pytestmark = pytest.mark.xdist_group("cloud")

SHOP = """
import modal

app = modal.App("shop", image=modal.Image.debian_slim("3.11"))

@app.function()
def double(x):
    print("doubling")
    return 2 * x

@app.function()
@modal.asgi_app()
def page():
    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
    return answer
"""


@pytest.fixture(scope="module")
def running(module_checkout: Callable[[str], Checkout]) -> Checkout:
    checkout = module_checkout("project")
    checkout.pilotlight("up")
    (checkout.root / "shop.py").write_text(SHOP)
    modal(checkout, "deploy", "shop.py")
    return checkout


def variables(running: Checkout) -> dict[str, str]:
    script = f"{running.pilotlight('env').stdout}\nexec env -0"
    shell = subprocess.run(
        ["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    return dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)


def process(running: Checkout, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=running.root,
        env=variables(running),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modal(running: Checkout, *words: str) -> str:
    return process(running, "-m", "modal", *words)


def call(running: Checkout) -> str:
    code = "import modal; print(modal.Function.from_name('shop', 'double').remote(21))"
    return process(running, "-c", code).strip()


def test_an_app_is_deployed_called_and_seen(running: Checkout) -> None:
    assert call(running) == "42"
    assert modal(running, "app", "logs", "shop").startswith("doubling\n")
    assert [row["description"] for row in json.loads(modal(running, "app", "list", "--json"))] == ["shop"]
    (app,) = running.status()["modal"]["apps"]
    assert {function["name"] for function in app["functions"]} == {"double", "page"}
    assert "modal app shop" in running.pilotlight("status").stdout
    status, page = running("GET", "/")
    assert status == 200
    assert app["id"] in page


def test_a_web_endpoint_answers_at_the_address_that_the_page_shows(running: Checkout) -> None:
    (app,) = running.status()["modal"]["apps"]
    (url,) = next(function["web_urls"] for function in app["functions"] if function["name"] == "page")
    assert url.startswith(running.record["modal"]["web_url"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url, timeout=60).read() == b"hello"


def test_it_is_all_there_after_a_restart_at_the_same_addresses(running: Checkout) -> None:
    before = running.record["modal"]
    running.pilotlight("down")
    running.pilotlight("up")
    assert running.record["modal"] == before
    assert call(running) == "42"
    assert "Deployment skipped" in modal(running, "deploy", "shop.py")


def test_no_process_is_left_by_modal_after_down(
    new_checkout: Callable[[str], Checkout], tmp_path: Path
) -> None:
    """The checkout's teardown looks for what lives on under its directory."""
    checkout = new_checkout("other")
    checkout.pilotlight("up")
    (checkout.root / "shop.py").write_text(
        SHOP.replace("@app.function()", "@app.function(min_containers=1)", 1)
    )
    modal(checkout, "deploy", "shop.py")
    assert call(checkout) == "42"
    assert checkout.status()["modal"]["apps"][0]["containers"]
