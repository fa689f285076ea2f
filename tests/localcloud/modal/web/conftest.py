"""One running local Modal for the tests of a worker process: they deploy apps of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.modal.running import RunningModal


@pytest.fixture(scope="module")
def modal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModal]:
    running = RunningModal(Path(tmp_path_factory.mktemp("modal")))
    yield running
    running.close()
