"""A store in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.localcloud.core.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "cloud.db")
    yield store
    store.close()
