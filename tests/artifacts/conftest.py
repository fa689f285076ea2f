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
