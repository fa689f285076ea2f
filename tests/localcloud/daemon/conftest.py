"""Checkouts with a local cloud of their own, driven as a user drives them: by the `pilotlight` command."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.localcloud.daemon import process

REPOSITORY = Path(__file__).parents[3]

ENDPOINT = {
    "name": "search",
    "type": "QUEUE",
    "image": "docker.io/library/busybox:1",
    "cpu": [{"id": "cpu3g", "vcpuCount": 2}],
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 1},
    "workers": {"min": 0, "max": 2, "idleTimeout": 5},
    "timeout": 60_000,
}


class Checkout:
    """A project directory. `pilotlight("up")` runs `pilotlight cloud --root … up`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        toolchain = REPOSITORY / ".pilotlight" / "toolchain.json"
        if toolchain.exists():
            (root / ".pilotlight").mkdir()
            shutil.copy(toolchain, root / ".pilotlight")

    @property
    def cloud(self) -> Path:
        return self.root / ".pilotlight" / "cloud"

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.root / ".pilotlight" / "cloud.json").read_text()))

    @property
    def ports(self) -> dict[str, int]:
        return dict(json.loads((self.cloud / "ports.json").read_text()))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "infra.cli.main", "cloud", "--root", str(self.root), *arguments]

    def pilotlight(
        self, *arguments: str, code: int = 0, env: dict[str, str] | None = None, unset: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **(env or {})}
        for name in unset:
            environment.pop(name, None)
        done = subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.pilotlight("status", "--json").stdout))

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        key: bool = True,
    ) -> tuple[int, str]:
        """One request to the daemon: status and text."""
        record = self.record
        connection = http.client.HTTPConnection(urlsplit(record["url"]).netloc, timeout=60)
        given = {"Authorization": f"Bearer {record['runpod']['api_key']}"} if key else {}
        text = json.dumps(body) if isinstance(body, dict | list) else body
        kind = {"Content-Type": "application/json"} if isinstance(body, dict | list) else {}
        try:
            connection.request(method, path, text, {**given, **kind, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def create_endpoint(self, **changes: Any) -> dict[str, Any]:
        status, text = self("POST", "/v2/serverless", {**ENDPOINT, **changes})
        assert status == 201, text
        return dict(json.loads(text))


@pytest.fixture(scope="session")
def _object_store() -> None:
    cached = Path.home().glob(".cache/pilotlight/versitygw-*/bin/versitygw")
    recorded = REPOSITORY / ".pilotlight" / "toolchain.json"
    if not (recorded.exists() or any(cached) or shutil.which("versitygw")):
        pytest.skip("versitygw is missing: `make setup` builds it")


@contextmanager
def making(folder: Path) -> Iterator[Callable[[str], Checkout]]:
    made: list[Checkout] = []

    def make(name: str) -> Checkout:
        made.append(Checkout(folder / name))
        return made[-1]

    try:
        yield make
    finally:
        for checkout in made:
            checkout.pilotlight("down")
            assert process.living_under(checkout.cloud) == []


@pytest.fixture
def new_checkout(tmp_path: Path, _object_store: None) -> Iterator[Callable[[str], Checkout]]:
    with making(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def module_checkout(
    tmp_path_factory: pytest.TempPathFactory, _object_store: None
) -> Iterator[Callable[[str], Checkout]]:
    """For tests that only look: one start for all of a file."""
    with making(tmp_path_factory.mktemp("shared")) as make:
        yield make


@pytest.fixture
def checkout(new_checkout: Callable[[str], Checkout]) -> Checkout:
    return new_checkout("project")


@pytest.fixture
def running(checkout: Checkout) -> Checkout:
    checkout.pilotlight("up")
    return checkout


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Until it is true; returns what it was."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came true"
    return found
