"""One control plane for each module, on a store of its own."""

from collections.abc import Iterator

import pytest

from tests.conformance.runpod.serving import Served, served


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("runpod")) as found:
        yield found
