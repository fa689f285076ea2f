import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import Checkout

pytestmark = pytest.mark.xdist_group("cloud")


@contextmanager
def occupied(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.mark.parametrize("use", ["api", "registry", "s3"])
def test_a_taken_port_is_named_and_replaced_while_nothing_depends_on_it(running: Checkout, use: str) -> None:
    ports = running.ports
    running.pilotlight("down")
    with occupied(ports[use]):
        said = running.pilotlight("up").stderr
        assert f"port {ports[use]}" in said
        assert f"taken by pid {os.getpid()}" in said
        changed = running.ports
        assert changed[use] != ports[use]
        assert {**changed, use: ports[use]} == ports
        assert running("GET", "/_local/health", key=False)[0] == 200


def test_a_taken_port_that_endpoints_carry_is_refused_with_the_way_out(running: Checkout) -> None:
    running.create_endpoint(name="search")
    ports = running.ports
    running.pilotlight("down")
    with occupied(ports["api"]):
        said = running.pilotlight("up", code=1).stderr
        assert f"port {ports['api']}" in said
        assert f"taken by pid {os.getpid()}" in said
        assert "1 deployed endpoint carries that address" in said
        assert "pilotlight cloud reset --ports" in said
        assert running.ports == ports

        running.pilotlight("reset", "--ports")
        running.pilotlight("up")
        assert running.ports["api"] != ports["api"]
        assert [endpoint["name"] for endpoint in running.status()["endpoints"]] == ["search"]


def test_a_taken_port_that_a_bucket_was_deployed_with_is_refused(running: Checkout) -> None:
    (running.cloud / "s3" / "models").mkdir()
    port = running.ports["s3"]
    running.pilotlight("down")
    with occupied(port):
        said = running.pilotlight("up", code=1).stderr
        assert f"port {port}" in said
        assert "bucket models" in said
