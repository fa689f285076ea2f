"""What the official CLI prints of cost and figures."""

import json
import socket
import urllib.request
from decimal import Decimal

import pytest

from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-cli")

SOURCE = """
app = modal.App("shop", image=image, tags={"team": "search"})

@app.function(max_containers=1, gpu="L4")
def double(x):
    return 2 * x

@app.server(port=PORT, unauthenticated=True)
class Page:
    @modal.enter()
    def start(self):
        import subprocess, sys
        subprocess.Popen([sys.executable, "-m", "http.server", "PORT", "--bind", "127.0.0.1"])
"""


@pytest.fixture(scope="module")
def shop(modal: WholeModal) -> WholeModal:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    modal.deploy(SOURCE.replace("PORT", str(port)))
    modal.python('modal.Function.from_name("shop", "double").remote(2)')
    route = modal.until(lambda: next(iter(modal.world.web_routes), None))
    urllib.request.urlopen(f"{modal.world.urls.web}/w/{route}", timeout=60).read()
    return modal


def test_a_billing_report_names_the_app_and_what_it_cost(shop: WholeModal) -> None:
    app = shop.world.deployed("shop", "main")
    assert app is not None
    rows = shop.modal_json("billing", "report", "--for", "today", "--tag-names", "team", "--show-resources")
    mine = [row for row in rows if row["object_id"] == app.app_id]
    assert {row["resource"] for row in mine} == {"CPU", "Memory", "GPU L4"}
    assert all(Decimal(row["cost"]) > 0 for row in mine)
    assert json.loads(mine[0]["tags"]) == {"team": "search"}


def test_figures_of_app_function_and_server(shop: WholeModal) -> None:
    said = shop.modal("app", "stats", "shop")
    assert "double" in said
    assert "Page" in said
    assert "1 succeeded (100.0%)" in shop.modal("function", "stats", "shop/double")
    (request,) = shop.modal_json("server", "requests", "shop/Page")
    assert request["status"] == 200
    assert request["route"] == "GET /"
