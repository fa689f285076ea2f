"""Servers shared by the tests of this room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts.servers import S3Server


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """A server of this test's own, which it may kill."""
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What all checkouts of a user share: one for each test, or a test would find what another built."""
    directory = tmp_path / "shared-cache"
    monkeypatch.setenv("PILOTLIGHT_CACHE", str(directory))
    return directory
