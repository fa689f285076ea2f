"""One local Modal for each file of tests, with real volumes and images."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.modal.whole import WholeModal


@pytest.fixture(scope="module")
def modal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeModal]:
    running = WholeModal(Path(tmp_path_factory.mktemp("modal")))
    yield running
    running.close()
