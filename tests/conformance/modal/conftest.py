"""The whole local Modal, one for all judges of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.modal.whole import WholeModal


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeModal]:
    running = WholeModal(Path(tmp_path_factory.mktemp("modal")))
    yield running
    running.close()
