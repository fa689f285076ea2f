import http.client
import json
import os
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from .conftest import Checkout

pytestmark = pytest.mark.xdist_group("cloud")


@pytest.fixture(scope="module")
def shared(module_checkout: Callable[[str], Checkout]) -> Checkout:
    checkout = module_checkout("guard")
    checkout.pilotlight("up")
    return checkout


@pytest.mark.parametrize("path", ["/", "/_local/health", "/v2/serverless", "/v2/abcdefghij0123/health"])
def test_a_page_that_renamed_itself_to_loopback_gets_nothing(shared: Checkout, path: str) -> None:
    for host in ("evil.example", f"evil.example:{shared.ports['api']}", "127.0.0.1:1", ""):
        assert shared("GET", path, headers={"Host": host})[0] == 421
    assert shared("GET", path, headers={"Origin": "http://evil.example"})[0] == 403
    for host in ("127.0.0.1", "localhost"):
        assert shared("GET", path, headers={"Host": f"{host}:{shared.ports['api']}"})[0] in (200, 404)


def test_the_registry_is_guarded_too(shared: Checkout) -> None:
    connection = http.client.HTTPConnection(urlsplit(shared.record["registry"]["url"]).netloc, timeout=10)
    connection.request("GET", "/v2/_catalog", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()


def test_only_health_is_open(shared: Checkout) -> None:
    status, text = shared("GET", "/_local/health", key=False)
    assert (status, json.loads(text)["objectStore"]) == (200, "ok")
    for method, path in [
        ("GET", "/_local/status"),
        ("GET", "/_local/settings"),
        ("POST", "/_local/settings"),
    ]:
        assert shared(method, path, key=False)[0] == 401
        assert shared(method, path, headers={"Authorization": "Bearer guess"})[0] == 401


def test_the_page_is_for_the_user_who_started_the_cloud(shared: Checkout) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a request as another user")
    assert status_as(65534, shared.ports["api"]) == 403
    assert status_as(0, shared.ports["api"]) == 200


def status_as(user: int, port: int) -> int:
    """The status of a request for the page by a process of that user."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(user)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        os.write(writing, str(connection.getresponse().status).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return int(answer.read())


def test_everything_listens_on_loopback_only(shared: Checkout) -> None:
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    listening = {
        int(row[1].split(":")[1], 16): row[1].split(":")[0]
        for row in rows
        if row[3] == "0A" and int(row[1].split(":")[1], 16) in shared.ports.values()
    }
    assert listening == dict.fromkeys(shared.ports.values(), "0100007F")


def test_settings_are_checked_kept_and_changed_while_it_runs(running: Checkout) -> None:
    running.pilotlight("up", "--set", "rollout=instant", "--set", "rate_limit=false")
    assert running.status()["settings"] == {"rollout": "instant", "rate_limit": False}
    refused = running.pilotlight("up", "--set", "rollout=sideways", code=1).stderr
    assert "rollout" in refused
    assert "'instant'" in refused

    running.pilotlight("down")
    running.pilotlight("up", "--set", "cold_start=real")
    assert running.status()["settings"] == {"cold_start": "real", "rollout": "instant", "rate_limit": False}
    running.pilotlight("down")
    assert "unknown" in running.pilotlight("up", "--set", "unknown=1", code=1).stderr
